"""What a first look costs and does, on a board of 200 services in 4 environments: bytes, and nothing that jumps."""

from __future__ import annotations

import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page

from app.domain.facts import Fact
from app.domain.rollout import Phase
from tests.e2e.test_workload_live import Running
from tests.e2e.waiting import until
from tests.web.site import look, now, sources

SERVICES, ENVIRONMENTS = 200, ("dev", "test", "staging", "production")
FIRST_LOAD = 150_000
"""Bytes over the wire: the page, its styles, scripts, icon and fonts, and the stream's first message."""
WATCH = """
window.jumps = [];
new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
        jumps.push([entry.value, ...entry.sources.map((s) => s.node?.outerHTML?.slice(0, 120) ?? s.node?.nodeName)]);
}).observe({ type: "layout-shift", buffered: true });
window.beats = 0;
document.addEventListener("htmx:sse:after:message", () => beats += 1);
"""


def fleet() -> list[Fact]:
    """Most of it good for some hours, some of it on the move."""
    earlier, facts = now() - timedelta(hours=3, seconds=30), list[Fact](sources())
    for n in range(SERVICES):
        for where in ENVIRONMENTS:
            phase = Phase.PROGRESSING if n % 40 == 0 else Phase.IDLE
            facts.append(
                replace(look(f"service-{n:03d}", where, f"1.{n % 7}.{n % 3}", phase), seen_at=earlier)
            )
    return facts


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    started = Running(tmp_path_factory.mktemp("budget"), fleet())
    yield started
    started.close()


def test_a_first_load_is_small(page: Page, running: Running) -> None:
    devtools = page.context.new_cdp_session(page)
    sent: Counter[str] = Counter()
    named: dict[str, str] = {}
    devtools.on("Network.requestWillBeSent", lambda e: named.update({e["requestId"]: e["request"]["url"]}))
    devtools.on(
        "Network.loadingFinished", lambda e: sent.update({e["requestId"]: int(e["encodedDataLength"])})
    )
    devtools.send("Network.enable")
    page.add_init_script(WATCH)
    page.goto(running.here.url)
    page.evaluate("() => document.fonts.ready.then(() => true)")
    until(page, "beats")
    told = {named[one].rpartition("/")[2] or "page": size for one, size in sent.items()}
    told["stream"] = first_message(running.here.url)
    assert {"page", "app.js"} <= told.keys()
    assert [name.partition(".")[0] for name in told if name.endswith(".css")] == ["shipboard"]
    assert any(name.endswith(".woff2") for name in told)
    assert sum(told.values()) <= FIRST_LOAD, told


def first_message(url: str) -> int:
    """Bytes of the body up to the end of the stream's first event: the browser does not count what is still open."""
    wants = {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=wants), timeout=15) as stream:
        size, reading, text = 0, zlib.decompressobj(wbits=31), b""
        while b"\n\n" not in text:
            piece = stream.read1(1 << 16)
            size, text = size + len(piece), text + reading.decompress(piece)
    assert text.count(b'<tr id="s-') == SERVICES
    return size


@pytest.mark.parametrize("path", ["/", "/wall?inches=55&distance=5"])
@pytest.mark.parametrize("width", [390, 1920])
def test_nothing_jumps_while_it_loads_and_listens(
    browser: Browser, running: Running, path: str, width: int
) -> None:
    page = browser.new_context(viewport={"width": width, "height": 1080}).new_page()
    page.add_init_script(WATCH)
    running.tell(*sources())  # else what is shown grows stale between two of these
    page.goto(running.here.url + path)
    until(page, "beats >= 1")
    running.tell(look("service-005", "test", "1.5.2"))
    until(page, "beats >= 2")
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert page.evaluate("jumps") == []
    page.context.close()
