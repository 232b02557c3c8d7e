"""10,000 pods: from the first request to a rendered board, and the memory it takes."""

from __future__ import annotations

from statistics import median

from .rig import Row, child, demo

WORKLOADS, PODS, ROUNDS = 1000, 10, 3


def run() -> list[Row]:
    """Ours against the same LISTs (pods and the kinds above them) read bare and msgspec-decoded, and against the typed
    client's list call for the pods alone."""
    with demo(WORKLOADS, PODS) as cluster:
        config = cluster.kubeconfig
        bare, ours, typed = [], [], []
        for _ in range(ROUNDS):
            bare.append(child("tests.bench.clients", "bare-list", config))
            ours.append(child("tests.bench.stack", "first-board", config, str(WORKLOADS)))
        typed.append(child("tests.bench.clients", "typed-list", config))
    a, b, c = (median(r["seconds"] for r in runs) for runs in (ours, bare, typed))
    memory = median(r["rss"] for r in ours)
    return [
        Row("10,000 pods, the same LISTs bare + msgspec", f"{b:.2f} s"),
        Row("10,000 pods, typed client's list alone", f"{c:.2f} s"),
        Row(
            "10,000 pods, first request -> rendered board",
            f"{a:.2f} s",
            f"{a / b:.2f} x bare",
            "<= 2 x bare",
            a <= 2 * b,
        ),
        Row(
            "  the same against the typed client",
            "",
            f"{a / c * 100:.0f} % of typed",
            "<= 25 %",
            a <= 0.25 * c,
        ),
        Row("  memory above the idle process", f"{memory:.0f} MB", "", "<= 120 MB", memory <= 120),
    ]
