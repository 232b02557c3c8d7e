"""The embedded cluster: a Kubernetes API over HTTP, with small honest controllers and a fleet that always
moves.

It is the demo (`shipboard demo`) and the test bench of the collector (faults can be switched on). It
imports nothing else of Shipboard. Limits: one process, loopback only, no TLS, no admission, no CRD
machinery.
"""

from app.demo.cluster import EmbeddedCluster

__all__ = ["EmbeddedCluster"]
