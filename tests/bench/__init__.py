"""Benchmarks: each prints a ratio against a bare loop or a peer measured in the same run, never a bare time.

`make bench` runs them all, `python -m tests.bench NAME …` some of them. All traffic stays on loopback and every loop is
bounded; the embedded cluster, the product and the load run as processes of their own.
"""
