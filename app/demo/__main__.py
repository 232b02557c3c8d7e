"""`python -m app.demo`: run the embedded cluster until told to stop.

Prints one JSON line on standard output when ready. Ends with exit code 0 on SIGTERM or SIGINT, and with
`--with-parent` also when standard input is closed. Exit code 2 on bad arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile

import uvloop

from app.demo.ci import Ci
from app.demo.ci_sending import Board
from app.demo.cluster import EmbeddedCluster
from app.demo.log import LOG_WINDOW


def main(argv: list[str] | None = None) -> int:
    """Parse arguments and run; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m app.demo", description="A Kubernetes API with a moving fleet, on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="port of the API (default: any free one)")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--kubeconfig", help="where to write the kubeconfig (default: a temporary file)")
    parser.add_argument("--no-fleet", action="store_true", help="an empty cluster")
    parser.add_argument("--fill", metavar="WORKLOADSxPODS", help="settled load, e.g. 1000x10")
    parser.add_argument("--token", default="", help="the bearer token (default: random)")
    parser.add_argument(
        "--time-scale", type=float, default=1.0, help="how much faster than real the cluster's time runs"
    )
    parser.add_argument(
        "--bookmarks", type=float, default=60.0, metavar="SECONDS", help="seconds between bookmarks"
    )
    parser.add_argument(
        "--head-start", type=float, default=0.0, metavar="SECONDS", help="the cluster's age at the start"
    )
    parser.add_argument("--window", type=int, default=LOG_WINDOW, help="events a watch can be resumed over")
    parser.add_argument(
        "--webhooks",
        metavar="URL",
        default="",
        help="where the fleet's CI tells of itself, signed with $CI_SECRET",
    )
    parser.add_argument(
        "--reports", metavar="URL", default="", help="where that CI uploads reports, with the token $CI_TOKEN"
    )
    parser.add_argument(
        "--gates",
        metavar="URL",
        default="",
        help="where Flagger's hooks ask, below which are $GATES_SECRET, the cluster and the hook",
    )
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input is closed")
    options = parser.parse_args(argv)
    fill = re.fullmatch(r"(\d+)x(\d+)", options.fill) if options.fill else None
    if options.fill and not fill:
        parser.error(f"--fill takes WORKLOADSxPODS such as 1000x10, not {options.fill!r}")
    try:
        cluster = EmbeddedCluster(
            port=options.port,
            host=options.host,
            fleet=not options.no_fleet,
            token=options.token,
            time_scale=options.time_scale,
            head_start=options.head_start,
            window=options.window,
            gates=f"{options.gates}/{os.environ.get('GATES_SECRET', '')}/demo" if options.gates else "",
        )
    except ValueError as error:
        parser.error(str(error))
    cluster.faults.bookmark_interval = options.bookmarks
    sizes = (int(fill[1]), int(fill[2])) if fill else None
    with tempfile.TemporaryDirectory(prefix="shipboard-demo-") as directory:
        kubeconfig = options.kubeconfig or os.path.join(directory, "kubeconfig")
        secret, token = os.environ.get("CI_SECRET", ""), os.environ.get("CI_TOKEN", "")
        board = Board(options.webhooks, secret, options.reports if token else "", token)
        ci = Ci(cluster, board, os.environ.get("CI_SIGNING_KEY", "")) if options.webhooks else None
        uvloop.run(_run(cluster, kubeconfig, sizes, options.with_parent, ci))
    return 0


async def _run(
    cluster: EmbeddedCluster,
    kubeconfig: str,
    fill: tuple[int, int] | None,
    with_parent: bool,
    ci: Ci | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with cluster:
        if fill:
            await cluster.bench.fill(*fill)
        path = cluster.kubeconfig(kubeconfig)
        ready = {"url": cluster.url, "kubeconfig": path, "context": "demo", "bench": cluster.bench_url}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        if ci:
            ci.start()
        if with_parent:
            await _on_closed(stop)
        await stop.wait()
        if ci:
            await ci.stop()


class _UntilClosed(asyncio.Protocol):
    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop.set()


async def _on_closed(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends. The loop holds the protocol; a task of ours it would not."""
    await asyncio.get_running_loop().connect_read_pipe(lambda: _UntilClosed(stop), sys.stdin)


if __name__ == "__main__":
    sys.exit(main())
