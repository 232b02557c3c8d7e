"""Pod events through to committed rows and re-rendered regions, against a bare loop and the typed client's watch."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from statistics import median
from typing import Any

from .rig import ROOT, Demo, Real, Row, demo

WORKLOADS, PODS, EVENTS, ROUNDS = 1000, 10, 30_000, 3


def run(real: Real | None = None) -> list[Row]:
    """Every event turns a pod over (ready, crash-looping), so every one changes what the board says.

    A real server gives up a reader that is held, so there our half second of rest after a broken watch is in the rate,
    and so is what the controllers made of the pods, which the bare loop does not read."""
    workloads, events, rounds = (real.WORKLOADS, real.EVENTS, 1) if real else (WORKLOADS, EVENTS, ROUNDS)
    opened: AbstractContextManager[Demo] = (
        nullcontext(real) if real else demo(workloads, PODS, window=8 * EVENTS)
    )
    with opened as cluster:
        config = cluster.kubeconfig
        bare, ours, typed = [], [], []
        for _ in range(rounds):
            bare.append(_blasted(cluster, events, "tests.bench.clients", "bare-watch", config, str(events)))
            ours.append(
                _blasted(cluster, events, "tests.bench.stack", "events", config, str(workloads), str(events))
            )
        few = min(3000, events)
        typed.append(_blasted(cluster, few, "tests.bench.clients", "typed-watch", config, str(few)))
    a, b, c = (median(r["events"] / r["seconds"] for r in runs) for runs in (ours, bare, typed))
    note = f"{ours[0]['rows']:.0f} rows, {ours[0]['renders']:.0f} renders"
    return [
        Row("pod events, bare read + msgspec", f"{b:,.0f} /s"),
        Row("pod events, typed client's watch", f"{c:,.0f} /s"),
        Row(
            f"pod events -> rows -> regions ({note})",
            f"{a:,.0f} /s",
            f"{a / b * 100:.0f} % of bare",
            *(() if real else (">= 25 %", a >= 0.25 * b)),
        ),
        Row(
            "  the same against the typed client",
            "",
            f"{a / c:.1f} x typed",
            *(() if real else (">= 5 x", a >= 5 * c)),
        ),
    ]


def _blasted(cluster: Demo, events: int, *command: str) -> dict[str, Any]:
    """Start a reader, wait until it watches, blast, and take its last line."""
    reader = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert reader.stdout
    if json.loads(reader.stdout.readline() or "{}") != {"ready": True}:
        raise RuntimeError(f"{command} did not start")
    with cluster.held(reader):
        cluster.ask("blast", events=events, flip=True)
    said = reader.stdout.read()
    reader.wait(60)
    return dict(json.loads(said.strip().splitlines()[-1]))
