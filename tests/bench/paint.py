"""A first look at a board of 200 services in 4 environments, from the click to something on the screen, on loopback.

Beside it, in turn, a bare page: the same elements and as many bytes, without a style, a script or a font. Time on the
clock is only worth something on a machine that does nothing else; the browser's work for the whole load is CPU.
"""

from __future__ import annotations

import re
import urllib.request
from statistics import median

from playwright.sync_api import Browser

from tests.e2e import preview

from . import browsing
from .rig import Row

LOADED = 9
PAINTED = "performance.getEntriesByType('paint').map((e) => [e.name, e.startTime])"
LINKED = re.compile(r"<link [^>]*>|<script.*?</script>|<meta name=.htmx.*?>", re.DOTALL)


def run() -> list[Row]:
    """Medians in milliseconds, with nothing kept from before."""
    with browsing.site() as running, browsing.browser() as browser:
        text = urllib.request.urlopen(running.here.url, timeout=30).read().decode()
        bare = preview.serve({"bare": LINKED.sub(lambda cut: " " * len(cut[0].encode()), text)})
        pages = {"board": running.here.url, "bare": f"http://127.0.0.1:{bare.server_port}/bare.html"}
        seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in pages}
        for _ in range(LOADED):
            for name, url in pages.items():
                seen[name].append(_load(browser, url))
        bare.shutdown()
        bare.server_close()
    first, content, work = ([median(one[i] for one in seen[name]) for name in pages] for i in range(3))
    rows = [
        Row(what, f"{ours:.0f} ms", f"{ours / theirs:.1f} x bare ({theirs:.0f})", "<= 500 ms", ours <= 500)
        for what, (ours, theirs) in (("first paint", first), ("first contentful paint", content))
    ]
    share = f"{work[0] / work[1]:.1f} x bare ({work[1]:.0f})"
    return [*rows, Row("CPU of the page's thread until it has loaded", f"{work[0]:.0f} ms", share)]


def _load(browser: Browser, url: str) -> tuple[float, float, float]:
    """First paint, first contentful paint, and the work done until `load`."""
    page = browsing.desk(browser)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url)
    while len(painted := dict(page.evaluate(PAINTED))) < 2:
        page.wait_for_timeout(20)
    told = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    page.context.close()
    return painted["first-paint"], painted["first-contentful-paint"], told["TaskDuration"] * 1000
