"""Run the benchmarks: all of them, or those named."""

from __future__ import annotations

import importlib
import sys
import time

ALL = ("rows", "first_board", "events", "latency", "streams", "hooks")


def main() -> int:
    """Print a line a figure; 1 when a bound was missed, 2 when a name is unknown."""
    names = sys.argv[1:] or list(ALL)
    if unknown := sorted(set(names) - set(ALL)):
        print(f"Unknown: {', '.join(unknown)}. There are: {', '.join(ALL)}.", file=sys.stderr)
        return 2
    missed = 0
    for name in names:
        started = time.monotonic()
        print(f"\n{name}", flush=True)
        for row in importlib.import_module(f"tests.bench.{name}").run():
            print(f"  {row}", flush=True)
            missed += row.met is False
        print(f"  ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"\n{missed} bounds missed" if missed else "\nevery bound met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
