"""Run the benchmarks: all of them, or those named. With `--real`, those of the collector and of change → DOM run
against the real control plane of tests/cluster, at a size that fits beside it and with no bounds but those of time:
what its processes use of the same cores is in every figure."""

from __future__ import annotations

import importlib
import os
import sys
import time

from tests.cluster.building import CONTROL_PLANE

from . import rig

ALL = (
    "rows",
    "first_board",
    "events",
    "latency",
    "streams",
    "act",
    "hooks",
    "years",
    "day",
    "lookback",
    "pages",
    "paint",
    "idle_wall",
)
REAL = ("first_board", "latency", "events")


def main() -> int:
    """Print a line a figure; 1 when a bound was missed, 2 when a name is unknown."""
    names = [name for name in sys.argv[1:] if name != "--real"]
    on_real = "--real" in sys.argv[1:]
    known = REAL if on_real else ALL
    if unknown := sorted(set(names) - set(known)):
        print(f"Unknown: {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    if not on_real:
        return measure(names or list(ALL))
    if not CONTROL_PLANE.path.exists():
        print("Skipped: no control plane is built here; python -m tests.cluster.building builds it.")
        return int(os.environ.get("CI") == "true")
    started = time.monotonic()
    with rig.real() as cluster:
        print(f"a control plane with {cluster.WORKLOADS} workloads in {time.monotonic() - started:.0f} s")
        return measure(names or list(REAL), cluster)


def measure(names: list[str], *where: rig.Real) -> int:
    """Run benchmarks, on a cluster of their own or on the one given."""
    missed = 0
    for name in names:
        started = time.monotonic()
        print(f"\n{name}", flush=True)
        for row in importlib.import_module(f"tests.bench.{name}").run(*where):
            print(f"  {row}", flush=True)
            missed += row.met is False
        print(f"  ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"\n{missed} bounds missed" if missed else "\nevery bound met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
