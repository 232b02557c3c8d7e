"""The page's own signs of life in a real browser: the overlay, the order of rows, a stream that is opened
again."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from tests.e2e import preview
from tests.fleets import NOW, StillFleet, live, workload

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Site:
    """One board on a port; `stream` answers each asking for the stream in turn, then holds the connection."""

    def __init__(self) -> None:
        self.fleet = StillFleet([workload("a"), workload("b"), workload("c")], live())
        self.answers: list[Answer] = []
        self.asked = 0
        self.closing = threading.Event()
        self.url = ""

    def regions(self, *names: str) -> str:
        shown = BoardProjection(self.fleet, BoardQuery(), NOW)
        context = preview.told("board", shown.board, shown.contacts)
        draw = preview.renderer().region
        return "".join(
            partial_of(f"#{name}", "outerMorph", draw("board.html", name, context)) for name in names
        )


def partial_of(target: str, swap: str, text: str) -> str:
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{text}</hx-partial>'


def row(name: str, rank: str) -> str:
    return f'<tr id="s-{name}" data-rank="{rank}"><th>{name}</th></tr>'


def event(request: http.server.BaseHTTPRequestHandler, text: str) -> None:
    request.wfile.write("".join(f"data: {line}\n" for line in text.splitlines()).encode() + b"\n")
    request.wfile.flush()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(preview.Files):
        def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
            if self.path != "/":
                super().do_GET()
            elif "text/event-stream" in self.headers.get("accept", ""):
                site.asked += 1
                if site.answers:
                    site.answers.pop(0)(self)
            else:
                self.start("text/html; charset=utf-8")
                self.wfile.write(preview.board(site.fleet).encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_port}/"
    yield site
    site.closing.set()
    server.shutdown()
    server.server_close()


def streaming(site: Site, *texts: str) -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.start("text/event-stream")  # type: ignore[attr-defined]
        for text in texts:
            event(request, text)
        site.closing.wait(20)

    return answer


def opacity(page: Page, selector: str) -> str:
    return str(page.evaluate("s => getComputedStyle(document.querySelector(s)).opacity", selector))


def test_silence_covers_the_page_and_a_heartbeat_uncovers_it(page: Page, site: Site) -> None:
    site.answers = [streaming(site)]
    page.goto(site.url)
    assert (opacity(page, ".stale"), opacity(page, ".live"), opacity(page, ".dead")) == ("0", "1", "0")
    page.evaluate("document.documentElement.style.setProperty('--patience', '300ms')")
    expect(page.locator(".stale")).to_have_css("opacity", "1")
    expect(page.locator(".live")).to_have_css("opacity", "0")
    expect(page.locator(".dead")).to_have_css("opacity", "1")
    page.evaluate("""() => {
        document.documentElement.style.setProperty('--patience', '20s');
        const foot = document.getElementById('foot');
        foot.dataset.beat = foot.dataset.beat === 'a' ? 'b' : 'a';
    }""")
    expect(page.locator(".stale")).to_have_css("opacity", "0")
    expect(page.locator(".live")).to_have_css("opacity", "1")


def test_the_second_hand_tells_the_servers_second(page: Page, site: Site) -> None:
    page.clock.install(time=NOW + timedelta(minutes=7, seconds=13))  # a clock that is not the server's
    site.answers = [streaming(site)]
    page.goto(site.url)
    hand = page.locator(".hand")
    for second in range(NOW.second, NOW.second + 3):
        expect(hand).to_have_attribute("transform", f"rotate({second % 60 * 6})")
        page.clock.run_for(1_000)


def test_a_heartbeat_starts_the_wait_anew(page: Page, site: Site) -> None:
    site.answers = [streaming(site)]
    page.goto(site.url)
    waited = "document.querySelector('.stale').getAnimations()[0].currentTime"
    page.wait_for_function(f"() => {waited} > 400")
    page.evaluate("document.getElementById('foot').dataset.beat = 'z'")
    page.evaluate("document.getElementById('foot').dataset.beat = 'c'")
    assert page.evaluate(waited) < 400


def test_rows_go_where_their_rank_says_and_new_ones_arrive(page: Page, site: Site) -> None:
    moved = site.regions("foot") + "".join(
        partial_of(f"#s-{name}", "outerMorph", row(name, rank)) for name, rank in (("c", "0"), ("a", "3"))
    )
    moved += partial_of("#rows", "beforeend", row("d", "2")) + partial_of("#s-b", "delete", "")
    site.answers = [streaming(site, moved)]
    page.goto(site.url)
    expect(page.locator("#rows > tr > th")).to_have_text(["c", "d", "a"])


def test_a_refused_stream_is_asked_for_again(page: Page, site: Site) -> None:
    def refuse(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(503)
        request.send_header("content-type", "text/html")
        request.end_headers()
        request.wfile.write(b"<p id=refused>No</p>")

    site.answers = [refuse, streaming(site, site.regions("foot"))]
    page.clock.install(time=NOW)
    page.goto(site.url)
    page.wait_for_function("() => document.querySelector('[data-stream]')._htmx !== undefined")
    page.clock.run_for(16_000)
    page.wait_for_function("() => document.querySelector('[data-stream]')._htmx.sse !== undefined")
    assert site.asked == 2
    assert page.locator("#refused").count() == 0


def test_a_stream_that_died_without_a_word_is_opened_again(page: Page, site: Site) -> None:
    site.answers = [streaming(site, site.regions("foot")), streaming(site, site.regions("sentence", "foot"))]
    page.clock.install(time=NOW)
    page.goto(site.url)
    page.wait_for_function("() => document.querySelector('[data-stream]')._htmx?.sse?.reader")
    for _ in range(40):
        page.clock.run_for(1_000)
        if site.asked == 2:
            break
    assert site.asked == 2


def test_the_slash_finds_and_the_theme_stays(page: Page, site: Site) -> None:
    site.answers = [streaming(site), streaming(site)]
    page.goto(site.url)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.get_by_label("Light").check()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator(".theme [value=light]")).to_be_checked()


def test_without_script_the_theme_still_changes(browser, site: Site) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(site.url)
    page.get_by_label("Light").check()
    expect(page.locator("html")).to_have_css("color-scheme", "light")
    page.context.close()


def test_a_service_tells_where_it_runs(page: Page, site: Site) -> None:
    site.fleet.put(workload("a", "staging"))
    site.answers = [streaming(site)]
    page.goto(site.url)
    page.get_by_role("button", name="a", exact=True).click()
    expect(page.locator("#w-a")).to_be_visible()
    commands = [f"kubectl -n a-{e} describe deployment/a" for e in ("staging", "production")]
    expect(page.locator("#w-a .cmd")).to_have_text(commands)
    page.keyboard.press("Escape")
    expect(page.locator("#w-a")).to_be_hidden()
