"""10,000 pods, 2,000 on a real control plane: from the first request to a rendered board, and the memory it takes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from statistics import median

from .rig import Demo, Real, Row, child, demo

WORKLOADS, PODS, ROUNDS = 1000, 10, 3


def run(real: Real | None = None) -> list[Row]:
    """Ours against the same LISTs (pods and the kinds above them) read bare and msgspec-decoded, and against the typed
    client's list call for the pods alone."""
    workloads, pods = (real.WORKLOADS, real.PODS) if real else (WORKLOADS, PODS)
    opened: AbstractContextManager[Demo] = nullcontext(real) if real else demo(workloads, pods)
    with opened as cluster:
        config = cluster.kubeconfig
        bare, ours, typed = [], [], []
        for _ in range(ROUNDS):
            bare.append(child("tests.bench.clients", "bare-list", config))
            ours.append(child("tests.bench.stack", "first-board", config, str(workloads)))
        typed.append(child("tests.bench.clients", "typed-list", config))
    a, b, c = (median(r["seconds"] for r in runs) for runs in (ours, bare, typed))
    memory = median(r["rss"] for r in ours)
    return [
        Row(f"{workloads * pods:,} pods, the same LISTs bare + msgspec", f"{b:.2f} s"),
        Row(f"{workloads * pods:,} pods, typed client's list alone", f"{c:.2f} s"),
        Row(
            f"{workloads * pods:,} pods, first request -> rendered board",
            f"{a:.2f} s",
            f"{a / b:.2f} x bare",
            *(() if real else ("<= 2 x bare", a <= 2 * b)),
        ),
        Row(
            "  the same against the typed client",
            "",
            f"{a / c * 100:.0f} % of typed",
            *(() if real else ("<= 25 %", a <= 0.25 * c)),
        ),
        Row("  memory above the idle process", f"{memory:.0f} MB", "", "<= 120 MB", memory <= 120),
    ]
