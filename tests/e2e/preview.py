"""Draws the pages from fleets made by hand and takes their pictures: `python -m tests.e2e.preview [name …]`.

Pictures go to test-results/preview. Needs the vendored assets (make setup) and a Chromium.
"""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from app.domain.freshness import Freshness
from app.domain.rollout import Attention, Health, Phase, PodCounts, Strategy, WaitKind, WaitsFor, attention
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.rows import SourceRow
from app.read.sources import SourcesProjection
from app.read.wall import WallProjection
from app.web import pages
from app.web.render import Renderer
from app.web.sheets import sheet
from tests import fleets, machine, scenes, workloads
from tests.fleets import (
    NOW,
    StillFleet,
    a_day,
    before,
    live,
    source,
    state,
    storefront,
    storefront_sources,
    workload,
)

ROOT = Path(__file__).parents[2]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'"
)
OUT = ROOT / "test-results/preview"
DESK, WIDE, HUGE, LAPTOP, PHONE = (1440, 900), (1920, 1080), (3840, 2160), (1280, 800), (390, 844)
ROOM, UPRIGHT = (WIDE, HUGE), (1080, 1920)


@cache
def renderer() -> Renderer:
    """The templates as the server has them."""
    return Renderer(ROOT / "templates", ROOT / "static", "https://shipboard.example.org")


def told(
    name: str, model: Any, contacts: Mapping[str, datetime | None], address: str = "/"
) -> dict[str, Any]:
    """What a page that is a stream is drawn from: its `model`, called `name`, and what all of them say."""
    frame = {"listening": model.sources, "contacts": contacts, "alarms": (), "address": address, "now": NOW}
    return {
        name: model,
        "page": pages.board.PAGE,
        "may": lambda verb, environment: None,
        "knows": True,
        **frame,
    }


def board(fleet: StillFleet, query: str = "", order: tuple[str, ...] = ()) -> str:
    """The board's page."""
    asked = BoardQuery.parse(tuple(pair.split("=")) for pair in query.split("&") if pair)  # type: ignore[misc]
    shown = BoardProjection(fleet, asked, NOW, order)
    return renderer().page("board.html", told("board", shown.board, shown.contacts))


def sources(fleet: StillFleet) -> str:
    """The sources' page."""
    shown = SourcesProjection(fleet, NOW)
    return renderer().page("sources.html", told("sources", shown.sources, shown.contacts))


def wall(fleet: StillFleet) -> str:
    """The wall's page."""
    shown = WallProjection(fleet, BoardQuery(), NOW, figures=scenes.figures)
    return renderer().page("wall.html", told("wall", shown.wall, shown.contacts))


def pattern_book() -> str:
    """The page of patterns."""
    return renderer().page("patterns.html", told("patterns", pages.patterns.patterns(NOW), {}))


def workload_page(fleet: StillFleet) -> str:
    """A workload's page."""
    shown = workloads.page(fleet)
    return renderer().page("workload.html", told("shown", shown.page, shown.contacts))


def error(status: int, title: str, detail: str) -> str:
    """An error's page."""
    said = {"status": status, "title": title, "detail": detail, "request_id": "01JD9Z3K7W", "now": NOW}
    return renderer().page("error.html", said)


TWO, FIVE = ("staging", "production"), ("dev", "test", "qa", "staging", "production")
TWELVE = (*(f"region-{i:02d}" for i in range(11)), "production")


def busy(environments: tuple[str, ...] = ("test", "staging", "production")) -> StillFleet:
    return StillFleet(storefront(environments), storefront_sources(), a_day(environments))


def calm() -> StillFleet:
    rows = [
        replace(r, state=state(r.state.revision.version), attention=Attention.GOOD)  # type: ignore[union-attr]
        for r in storefront()
    ]
    fleet = StillFleet(rows, live(), a_day()[:50])
    fleet.builds = scenes.builds()
    return fleet


def only(*shown: Attention) -> StillFleet:
    """The busy fleet with everything good that is none of `shown`."""
    rows = [
        row
        if row.attention in shown
        else replace(row, state=state(row.state.revision.version), attention=Attention.GOOD)  # type: ignore[union-attr]
        for row in storefront()
    ]
    return StillFleet(rows, live(), a_day()[:50])


def moving() -> StillFleet:
    return only(Attention.MOVING)


def waiting() -> StillFleet:
    return only(Attention.WAITING, Attention.MOVING)


def all_bad() -> StillFleet:
    rows = storefront()
    told = [r.state for r in rows if r.attention not in (Attention.GOOD, Attention.UNKNOWN)]
    long = replace(
        told[0],
        message="Readiness probe failed: HTTP 503 from /healthz, upstream connect error or "
        "disconnect/reset before headers, reset reason: connection refused, and so on at some length.",
    )
    worse = [
        replace(
            r,
            state=(long, *told)[i % 7],
            attention=attention((long, *told)[i % 7]),
            since=before(minutes=7 * i + 1),
        )
        for i, r in enumerate(rows)
    ]
    return StillFleet(worse, live(), a_day())


def many(n: int) -> StillFleet:
    rows = storefront()
    for i in range(n):
        rows += fleets.good(
            f"service-{i:04d}",
            "1.2.3",
            "1.2.3",
            "1.2.2" if i % 9 == 0 else "1.2.3",
            environments=("test", "staging", "production"),
            hours=1 + i % 40,
        )
    return StillFleet(rows, live(), a_day())


def odd() -> StillFleet:
    """Long names, many pods, several workloads in a cell, hostile text, a timed pause, a silent cluster."""
    long = "a-service-whose-name-goes-on-and-on-because-nobody-said-stop"
    rolling = state(
        "2024.11.23-build.48213.4f1c2ae9d0",
        Phase.PROGRESSING,
        Health.PROGRESSING,
        pods=(36, 12, 3, 72),
        progress=30,
        problems=(fleets.CRASH,),
        message='Three pods crash: <script>alert(1)</script> & "quotes" in the log.',
    )
    timed = state(
        "5.1.0",
        Phase.PAUSED,
        Health.SUSPENDED,
        pods=(2, 0, 0, 8),
        weight=20,
        strategy=Strategy.CANARY,
        steps=fleets.canary(20, 5, 10, 20, 30, 40, 50, 60, 80),
        waits_for=WaitsFor(WaitKind.TIMER, "Pause of 10 min", NOW + timedelta(minutes=6)),
    )
    rows = [
        workload(long, "staging", state("1.0.0")),
        workload(
            long,
            "production",
            rolling,
            since=before(minutes=3),
            team="A team with a rather long name as well",
        ),
        workload("timed", "production", timed, since=before(minutes=4), team="Core"),
        workload("shop", "production", state("3.2.0"), name="web", team="Shop"),
        workload(
            "shop",
            "production",
            state(
                "3.1.9",
                Phase.FAILED,
                Health.DEGRADED,
                pods=(0, 0, 1, 2),
                message="The image cannot be pulled: 3.1.9 is not in the registry.",
            ),
            name="worker",
            since=before(minutes=40),
        ),
        workload("shop", "production", state("3.2.0"), name="cron"),
        workload("far", "production", state("1.4.0"), cluster="eu-west-1", since=before(days=3)),
        workload("far", "production", state("1.4.0"), cluster="us-east-1", since=before(days=3)),
        workload("near", "staging", state("1.4.1"), cluster="eu-west-1", since=before(days=3)),
        workload("both", "production", state("8.0.0"), cluster="eu-west-1", since=before(days=3)),
        workload("both", "production", state("8.0.0"), since=before(days=3)),
        workload("both", "staging", state("8.0.0"), since=before(days=3)),
        workload("off", "production", state("0.3.0", pods=(0, 0, 0, 0), counts=PodCounts())),
    ]
    stale = [source("us-east-1", k, freshness=Freshness.STALE, heard=268) for k in fleets.KINDS]
    return StillFleet(rows, [*live("demo", "eu-west-1"), *stale])


def worked(row: SourceRow) -> SourceRow:
    return replace(row, objects=1204, lists=3, watches=17, events=48211)


def some_sources() -> StillFleet:
    rows = [worked(source(c, k)) for c in ("eu-west-1", "ap-south-1") for k in (*fleets.KINDS, "Rollout")]
    rows += [
        source(
            "us-east-1",
            k,
            freshness=Freshness.STALE,
            heard=268,
            message="No answer since 14:27:40: connection refused, 9 tries. Check the address in the "
            "settings and that this machine may reach it.",
        )
        for k in fleets.KINDS
    ]
    rows.append(
        source(
            "eu-west-1",
            "Pod",
            "risk-prod",
            Freshness.UNKNOWN,
            None,
            message="Not permitted to list pods in risk-prod. Bind the role shipboard-read there.",
        )
    )
    rows.append(worked(source("demo", "Deployment", freshness=Freshness.DELAYED, heard=12)))
    rows.append(
        replace(
            worked(source("demo", "Pod")),
            unreadable=("shop/cart-7c9: field status is not an object", "shop/x: too large"),
        )
    )
    return StillFleet(storefront(), rows)


Picture = tuple[Callable[[], str], tuple[tuple[int, int], ...], tuple[str, ...]]
BOTH = ("dark", "light")
PICTURES: dict[str, Picture] = {
    "busy": (lambda: board(busy()), (WIDE, DESK, HUGE, LAPTOP, PHONE), BOTH),
    "calm": (lambda: board(calm()), (WIDE, PHONE), BOTH),
    "two": (lambda: board(busy(TWO)), (WIDE, DESK, PHONE), ("dark",)),
    "five": (lambda: board(busy(FIVE)), (WIDE, DESK), ("dark",)),
    "twelve": (lambda: board(busy(TWELVE)), (WIDE, LAPTOP, PHONE), ("dark",)),
    "bad": (lambda: board(all_bad()), (WIDE, LAPTOP, PHONE), ("dark",)),
    "odd": (lambda: board(odd()), (WIDE, LAPTOP, PHONE), BOTH),
    "many": (lambda: board(many(300)), (WIDE,), ("dark",)),
    "filter": (
        lambda: board(busy(), "attention=failed&attention=waiting&team=Payments"),
        (WIDE, PHONE),
        ("dark",),
    ),
    "nothing": (lambda: board(busy(), "q=nowhere"), (WIDE, PHONE), ("dark",)),
    "stale": (lambda: board(busy()), (WIDE, PHONE), BOTH),
    "none": (lambda: board(StillFleet()), (DESK,), ("dark",)),
    "looking": (
        lambda: board(
            StillFleet([], [source(kind="Pod", heard=None, freshness=Freshness.UNKNOWN), source(kind="X")])
        ),
        (DESK,),
        ("dark",),
    ),
    "blind": (
        lambda: board(StillFleet([], [fleets.refused()])),
        (DESK,),
        ("dark",),
    ),
    "empty": (lambda: board(StillFleet([], live())), (DESK,), ("dark",)),
    "wall-calm": (lambda: wall(calm()), ROOM, BOTH),
    "wall-failing": (lambda: wall(busy()), ROOM, BOTH),
    "wall-moving": (lambda: wall(moving()), ROOM, BOTH),
    "wall-waiting": (lambda: wall(waiting()), ROOM, BOTH),
    "wall-stale": (lambda: wall(busy()), ROOM, BOTH),
    "wall-pipelines": (lambda: wall(calm()), (*ROOM, UPRIGHT, PHONE), BOTH),
    "wall-timeline": (lambda: wall(calm()), (*ROOM, UPRIGHT, PHONE), BOTH),
    "wall-dora": (lambda: wall(calm()), (*ROOM, UPRIGHT, PHONE), BOTH),
    "wall-heard": (lambda: wall(calm()), (WIDE,), ("dark",)),
    "wall-bad": (lambda: wall(all_bad()), ROOM, ("dark",)),
    "wall-odd": (lambda: wall(odd()), (WIDE, UPRIGHT, PHONE), ("dark",)),
    "wall-many": (lambda: wall(many(300)), (WIDE,), ("dark",)),
    "wall-none": (lambda: wall(StillFleet()), (WIDE,), ("dark",)),
    "patterns": (pattern_book, (DESK, HUGE, PHONE), BOTH),
    "sources": (lambda: sources(some_sources()), (WIDE, LAPTOP, PHONE), BOTH),
    "canary": (lambda: workload_page(workloads.canary()), (WIDE, LAPTOP, PHONE), BOTH),
    "stuck": (lambda: workload_page(workloads.stuck()), (WIDE, LAPTOP, PHONE), BOTH),
    "rolling": (lambda: workload_page(workloads.rolling()), (LAPTOP, PHONE), ("dark",)),
    "bluegreen": (lambda: workload_page(workloads.blue_green()), (LAPTOP, PHONE), ("dark",)),
    "rest": (lambda: workload_page(workloads.calm()), (WIDE, LAPTOP, PHONE), BOTH),
    "anew": (lambda: workload_page(workloads.anew()), (LAPTOP,), ("dark",)),
    "pods": (lambda: workload_page(workloads.many()), (WIDE, PHONE), ("dark",)),
    "unseen": (lambda: workload_page(workloads.unseen()), (LAPTOP, PHONE), BOTH),
    "e404": (
        lambda: error(404, "Not Found", "There is nothing at this address. The board is at /."),
        (DESK,),
        BOTH,
    ),
    "e500": (
        lambda: error(500, "Server Error", "The log has it under this request id."),
        (PHONE,),
        ("dark",),
    ),
    "e503": (
        lambda: error(503, "Warming up", "Shipboard reads its database. It will be there in a moment."),
        (DESK,),
        ("dark",),
    ),
}


class Files(http.server.SimpleHTTPRequestHandler):
    """/static as the product serves it, and whatever a subclass adds, under the product's policy."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given, directory=str(ROOT))

    def do_GET(self) -> None:
        style = sheet(ROOT / "static")
        if self.path == f"/static/{style.name}":
            self.start("text/css; charset=utf-8")
            self.wfile.write(style.text.encode())
        else:
            super().do_GET()

    def start(self, media_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-security-policy", POLICY)
        self.end_headers()

    def log_request(self, code: object = "", size: object = "") -> None:
        pass


def serve(pages: dict[str, str]) -> http.server.ThreadingHTTPServer:
    """The pages and /static on a free port of this machine."""

    class Handler(Files):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0]
            page = pages.get(name.removesuffix(".html").lstrip("/")) if name.endswith(".html") else None
            if page is None:
                super().do_GET()
                return
            self.start("text/html; charset=utf-8")
            self.wfile.write(page.encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def shoot(browser: Browser, at: str, name: str, only: tuple[str, ...] = BOTH) -> None:
    _, sizes, themes = PICTURES[name]
    for width, height in sizes:
        for theme in set(themes) & set(only):
            page = browser.new_page(
                viewport={"width": width, "height": height}, device_scale_factor=2 if width < 500 else 1
            )
            page.clock.install(time=NOW)
            page.on(
                "console",
                lambda m: (
                    print(name, m.text)
                    if m.type == "error"
                    and "ERR_" not in m.text
                    and "404" not in m.text
                    and "sse" not in m.text.lower()
                    else None
                ),
            )
            page.add_init_script(
                f"localStorage.theme = '{theme}'; localStorage.room = JSON.stringify({{inches: 55, distance: 5}})"
            )
            page.goto(f"{at}/{name}.html")
            page.evaluate("() => document.fonts.ready.then(() => true)")
            for _ in range(
                {"wall-pipelines": 1, "wall-timeline": 3, "wall-dora": 5, "wall-heard": 7}.get(name, 0)
            ):
                page.clock.run_for(25_000)
                page.evaluate("() => document.dispatchEvent(new Event('htmx:sse:after:message'))")
            page.evaluate(
                "() => document.getAnimations().forEach((a) => a.animationName === 'appear' && a.finish())"
            )
            if name.endswith("stale"):
                page.evaluate(
                    "() => document.getAnimations()"
                    ".forEach((a) => a.effect.getComputedTiming().endTime < Infinity && a.finish())"
                )
            wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                print(f"{name} {width} scrolls sideways by {wide} px")
            page.screenshot(
                path=OUT / f"{name}-{width}{'' if theme == 'dark' else '-light'}.png",
                full_page=(width < 500 or name == "patterns") and not name.endswith("stale"),
            )
            page.close()


def main(names: list[str]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    names = names or list(PICTURES)
    server = serve({name: PICTURES[name][0]() for name in names})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=machine.browser(),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
            ],
        )
        for name in names:
            shoot(browser, f"http://127.0.0.1:{server.server_port}", name)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
