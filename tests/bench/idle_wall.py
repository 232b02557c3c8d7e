"""A wall, and a board, that are looked at and not touched: the CPU of the whole browser, and what it keeps.

A blank page in the same browser is the control. The sources go on being heard, as they do where nothing happens. A
minute each; SHIPBOARD_SOAK=3600 leaves the wall alone for an hour, which is what shows whether it grows.
"""

from __future__ import annotations

import os
import time

from playwright.sync_api import Page

from tests.e2e.test_workload_live import Running
from tests.web.site import sources

from . import browsing
from .rig import Row

SOAK = float(os.environ.get("SHIPBOARD_SOAK", "60"))
SETTLED, HEARD, CONTROL = 10.0, 15.0, 60.0
"""Seconds until a page has loaded and come to rest, between two words of the sources, and of the control."""
GROWN_MB, GROWN_NODES = 2.0, 200


def run() -> list[Row]:
    """Percent of a core, and the live heap and DOM nodes at both ends, after a collection."""
    with browsing.site() as running, browsing.browser() as browser:
        page = browsing.desk(browser)
        page.goto("about:blank")
        _rest(page, running, SETTLED)
        blank = _idle(page, running, min(SOAK, CONTROL))
        rows = [Row("a blank page: CPU of the browser", f"{blank * 100:.2f} %", "of a core")]
        for name, path, seconds in (
            ("wall", "/wall?inches=55&distance=5", SOAK),
            ("board", "/", min(SOAK, CONTROL)),
        ):
            page = browsing.desk(browser)
            page.goto(running.here.url + path)
            _rest(page, running, SETTLED)
            heap, nodes = _kept(page)
            spent = _idle(page, running, seconds)
            then, there = _kept(page)
            held = name == "wall"
            rows += [
                Row(
                    f"an idle {name}, {seconds:.0f} s: CPU of the browser",
                    f"{spent * 100:.2f} % of a core",
                    f"{spent / max(blank, 0.0005):.1f} x blank",
                    "<= 2 %" if held else "",
                    spent <= 0.02 if held else None,
                ),
                Row(
                    "  its live heap, before and after",
                    f"{heap:.2f} and {then:.2f} MB",
                    f"{then - heap:+.2f} MB",
                    f"<= {GROWN_MB:+.0f} MB",
                    then - heap <= GROWN_MB,
                ),
                Row(
                    "  its DOM nodes, before and after",
                    f"{nodes:,} and {there:,}",
                    f"{there - nodes:+,}",
                    f"<= {GROWN_NODES:+}",
                    there - nodes <= GROWN_NODES,
                ),
            ]
            page.context.close()
        return rows


def _rest(page: Page, running: Running, seconds: float) -> None:
    """Let time pass in which all is well."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        running.tell(*sources())
        page.wait_for_timeout(min(HEARD, left) * 1000)


def _idle(page: Page, running: Running, seconds: float) -> float:
    """The share of a core that the browser takes meanwhile."""
    used, began = browsing.cpu(), time.monotonic()
    _rest(page, running, seconds)
    return (browsing.cpu() - used) / (time.monotonic() - began)


def _kept(page: Page) -> tuple[float, int]:
    """Megabytes of live JavaScript objects, and DOM nodes."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    used = float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6
    nodes = int(devtools.send("Memory.getDOMCounters")["nodes"])
    devtools.detach()
    return used, nodes
