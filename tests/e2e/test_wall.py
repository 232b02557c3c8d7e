"""The wall in a real browser: letters a room can read, problems that are never hidden, turns while it is calm, and
the dead-man overlay, by its pixels, also while the page's own script hangs."""

from __future__ import annotations

import base64
import math
import signal
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import preview
from tests.e2e.boards import Running
from tests.e2e.test_faults import Rig
from tests.e2e.waiting import until
from tests.fleets import NOW

ROOM = "inches=55&distance=5"
NAMES = (
    "wall-calm",
    "wall-moving",
    "wall-waiting",
    "wall-failing",
    "wall-bad",
    "wall-odd",
    "wall-many",
    "wall-none",
)
HEARD = "() => document.dispatchEvent(new Event('htmx:sse:after:message'))"
SEEN = "#rows > li:not([data-off])"


class Site:
    """Pages by name; `pages` may be changed while they are served."""

    def __init__(self) -> None:
        self.pages = {name: preview.PICTURES[name][0]() for name in NAMES}
        self.server = preview.serve(self.pages)

    def at(self, name: str, query: str = ROOM) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}.html?{query}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


def open_at(page: Page, url: str, width: int = 1920, height: int = 1080) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(url)
    page.evaluate("() => document.fonts.ready.then(() => true)")


def turn(page: Page, times: int = 1) -> None:
    """Let turns of 25 s pass, with messages in between as from a server that lives."""
    for _ in range(times):
        page.clock.run_for(25_000)
        page.evaluate(HEARD)


def needed(inches: float, distance: float, width: int, height: int) -> float:
    """NUREG-0700: px of a font whose capitals (0.71 of it) subtend 16 arc minutes."""
    tall = inches * 0.0254 * height / math.hypot(width, height)
    return 6.283 * distance * 16 / 21600 / 0.71 / tall * height


SMALLEST = """() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode, owner = text.parentElement;
        if (!text.textContent.trim() || !owner.checkVisibility()) continue;
        if (owner.closest('.skip, .sr, title, script, noscript')) continue;
        found.push([parseFloat(getComputedStyle(owner).fontSize), text.textContent.trim()]);
    }
    return found.sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
@pytest.mark.parametrize(("inches", "distance"), [(55, 5), (55, 8), (43, 5), (75, 3)])
@pytest.mark.parametrize("name", ["wall-failing", "wall-calm"])
def test_no_text_is_smaller_than_the_room_can_read(
    page: Page, site: Site, name: str, inches: int, distance: int, width: int, height: int
) -> None:
    page.clock.install(time=NOW)
    open_at(page, site.at(name, f"inches={inches}&distance={distance}"), width, height)
    least = needed(inches, distance, width, height)
    for _ in range(8 if name == "wall-calm" else 1):
        size, text = page.evaluate(SMALLEST)
        assert size >= least - 0.05, text
        turn(page)


def test_at_55_inches_and_5_metres_that_is_52_px(page: Page, site: Site) -> None:
    assert round(needed(55, 5, 1920, 1080)) == 52
    open_at(page, site.at("wall-failing"))
    assert page.evaluate("getComputedStyle(document.querySelector('#rows .word')).fontSize").startswith("51.")


@pytest.mark.parametrize(
    ("width", "height"), [(1920, 1080), (3840, 2160), (1080, 1920), (390, 844), (1280, 720)]
)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_shown_whole(page: Page, site: Site, name: str, width: int, height: int) -> None:
    open_at(page, site.at(name, "" if width == 390 else ROOM), width, height)
    cut = page.evaluate("""() => {
        const stage = document.querySelector('.stage').getBoundingClientRect();
        return [...document.querySelectorAll('#rows > li:not([data-off])')]
            .map((row) => [row.getBoundingClientRect(), row.textContent.trim()])
            .filter(([box]) => box.bottom > stage.bottom + 1 || box.right > stage.right + 1)
            .map(([, text]) => text);
    }""")
    assert cut == []
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight + 4")


def test_no_problem_is_hidden_when_there_are_more_than_fit(page: Page, site: Site) -> None:
    page.clock.install(time=NOW)
    open_at(page, site.at("wall-bad"))
    wanted = set(page.evaluate("[...document.querySelectorAll('[data-problem]')].map((row) => row.id)"))
    seen, pinned, said = set(), set(), []
    for _ in range(20):
        seen |= set(page.evaluate(f"[...document.querySelectorAll('{SEEN}')].map((row) => row.id)"))
        pinned |= set(page.evaluate("[...document.querySelectorAll('[data-pin]')].map((row) => row.id)"))
        said.append(page.locator(".left").inner_text().partition(",")[0])
        turn(page)
    assert seen >= wanted == pinned
    assert said[:6] == [f"{n} of 5 pages of trouble" for n in (1, 2, 3, 4, 5, 1)]
    expect(page.locator("[data-scene=board]")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wall-failing", "+6 good, +1 moving, 0 problems hidden"),
        ("wall-waiting", "+7 good, 0 problems hidden"),
        ("wall-calm", "9 of 14 shown, page 1 of 2"),
    ],
)
def test_what_is_left_out_is_counted(page: Page, site: Site, name: str, text: str) -> None:
    open_at(page, site.at(name))
    expect(page.locator(".left")).to_have_text(text)


def test_trouble_is_pinned_with_its_reason_a_timer_and_a_code(page: Page, site: Site) -> None:
    open_at(page, site.at("wall-failing"))
    pins = page.locator("[data-pin]")
    expect(pins).to_have_count(2)
    expect(pins.first.locator(".reason")).to_contain_text("PAYMENTS_HMAC_KEY")
    box = pins.first.locator(".qr").bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 160
    expect(page.locator(f"{SEEN} .qr:visible")).to_have_count(2)


def test_calm_takes_turns_and_trouble_ends_them_at_once(page: Page, site: Site) -> None:
    page.clock.install(time=NOW)
    open_at(page, site.at("wall-calm"))
    shown = "[...document.querySelectorAll('.scene')].filter((s) => s.checkVisibility()).map((s) => s.dataset.scene)"
    turns, pages = [], []
    for _ in range(9):
        turns += page.evaluate(shown)
        pages.append(page.locator(".left").inner_text())
        turn(page)
    assert turns[::2] == ["board"] * 5
    assert turns[1::2] == ["pipelines", "timeline", "dora", "heard"]
    assert [text[-11:] for text in pages[:5:2]] == ["page 1 of 2", "page 2 of 2", "page 1 of 2"]
    assert pages[1::2] == ["7 of 12 shown", "5 of 38 shown", "All 5 shown", "All 1 shown"]
    assert page.evaluate(shown) == ["pipelines"]
    page.evaluate("() => document.querySelector('#rows > li:last-child').setAttribute('data-problem', '')")
    page.evaluate(HEARD)
    assert page.evaluate(shown) == ["board"]
    expect(page.locator("#rows > li:last-child")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "height"), [(1920, 1080), (3840, 2160), (1080, 1920), (390, 844), (1280, 720)]
)
def test_a_scene_shows_whole_rows_counts_the_rest_and_tells_its_age(
    page: Page, site: Site, width: int, height: int
) -> None:
    page.clock.install(time=NOW)
    open_at(page, site.at("wall-calm", "" if width == 390 else ROOM), width, height)
    for name in ("pipelines", "timeline", "dora", "heard"):
        turn(page)
        scene = page.locator(f"[data-scene={name}]")
        expect(scene).to_be_visible()
        whole, out, total, high, wide = page.evaluate(
            """(name) => {
            const list = document.querySelector(`[data-scene=${name}] [data-of]`), edge = list.getBoundingClientRect();
            const boxes = [...list.children].map((row) => row.getBoundingClientRect());
            const seen = boxes.filter((box) => box.left < edge.right);
            const texts = [...list.querySelectorAll('b, p, .took')].filter(
                (text) => text.getBoundingClientRect().left < edge.right);
            return [seen.filter((box) => box.bottom < edge.bottom + 2).length, boxes.length - seen.length,
                    Number(list.dataset.of), edge.bottom - document.querySelector('.foot').getBoundingClientRect().top,
                    Math.max(...texts.map((e) => e.getBoundingClientRect().right)) - innerWidth];
        }""",
            name,
        )
        assert whole >= 1
        assert high <= 0
        assert wide <= 0
        said = page.locator(".left").inner_text()
        assert said == (f"All {total} shown" if whole == total else f"{whole} of {total} shown"), (name, out)
        turn(page)
    for name in ("pipelines", "timeline", "dora"):
        assert "ago" in str(page.locator(f"[data-scene={name}] .asof").text_content())


def test_a_turn_fades_only_for_who_wants_motion(browser: Browser, site: Site) -> None:
    for motion, name in (("no-preference", "appear"), ("reduce", "none")):
        context = browser.new_context(reduced_motion=motion)  # type: ignore[arg-type]
        page = context.new_page()
        open_at(page, site.at("wall-calm"))
        page.evaluate("document.querySelector('[data-scene=dora]').hidden = false")
        expect(page.locator("#dora")).to_have_css("animation-name", name)
        context.close()


def test_a_screen_asks_once_for_its_room_and_keeps_it(page: Page, site: Site) -> None:
    open_at(page, site.at("wall-failing", ""))
    size = "parseFloat(getComputedStyle(document.querySelector('#rows .word')).fontSize)"
    before = page.evaluate(size)
    page.get_by_label("Distance in metres").fill("8")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".room")).to_be_hidden()
    assert page.evaluate(size) == pytest.approx(before * 8 / 5, rel=0.03)
    open_at(page, site.at("wall-failing", ""))
    expect(page.locator(".room")).to_be_hidden()
    assert page.evaluate(size) == pytest.approx(needed(55, 8, 1920, 1080), rel=0.01)
    page.keyboard.press("r")
    expect(page.locator(".room")).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (390, 844)])
def test_what_is_asked_of_the_room_covers_no_row(page: Page, site: Site, width: int, height: int) -> None:
    open_at(page, site.at("wall-failing", ""), width, height)
    expect(page.locator(".room")).to_be_visible()
    low = page.evaluate(
        f"Math.max(...[...document.querySelectorAll('{SEEN}')].map((r) => r.getBoundingClientRect().bottom))"
    )
    box = page.locator(".room").bounding_box()
    assert box
    assert low <= box["y"] + 1
    assert box["x"] + box["width"] <= width


def test_the_foot_is_whole_on_a_phone(page: Page, site: Site) -> None:
    open_at(page, site.at("wall-bad", ""), 390, 844)
    expect(page.locator(".left")).to_contain_text("pages of trouble")
    for part in (".foot .left", ".foot .live", ".foot .dial"):
        box = page.locator(part).bounding_box()
        assert box
        assert box["x"] >= 0, part
        assert box["x"] + box["width"] <= 390 + 4, part
        assert box["y"] + box["height"] <= 844 + 4, part


def test_rows_without_a_rank_stay_as_the_server_sent_them(page: Page, site: Site) -> None:
    open_at(page, site.at("wall-calm"))
    ids = "[...document.querySelectorAll('#rows > li')].map((row) => row.id)"
    before = page.evaluate(ids)
    page.evaluate("document.querySelectorAll('#rows > li').forEach((row) => delete row.dataset.rank)")
    page.evaluate(HEARD)
    assert page.evaluate(ids) == before
    page.evaluate(
        "[...document.querySelectorAll('#rows > li')].forEach((row, i) => row.dataset.rank = `${9 - i % 3}`)"
    )
    page.evaluate(HEARD)
    assert page.evaluate(ids) == [*before[2::3], *before[1::3], *before[::3]]


def test_nobody_has_to_answer(page: Page, site: Site) -> None:
    page.clock.install(time=NOW)
    open_at(page, site.at("wall-calm", ""))
    expect(page.locator(".room")).to_be_visible()
    turn(page, 3)
    expect(page.locator(".room")).to_be_hidden()


def test_the_night_dims_what_is_calm_and_nothing_else(page: Page, site: Site) -> None:
    for name, dim in (("wall-calm", "0.45"), ("wall-failing", "1")):
        open_at(page, site.at(name, f"{ROOM}&night=0-24"))
        expect(page.locator("main")).to_have_css("opacity", dim)
    open_at(page, site.at("wall-calm", f"{ROOM}&night=off"))
    expect(page.locator("main")).to_have_css("opacity", "1")


def test_the_picture_wanders_by_a_few_pixels(page: Page, site: Site) -> None:
    page.clock.install(time=NOW)
    open_at(page, site.at("wall-calm"))
    places = set()
    for _ in range(8):
        for selector in ("#sentence", ".left"):
            box = page.locator(selector).bounding_box()
            assert box
            places.add((selector == ".left", box["x"], box["y"]))
        page.clock.run_for(60_000)
    assert len(places) == 16
    _, xs, ys = zip(*(place for place in places if not place[0]), strict=True)
    assert (max(xs) - min(xs), max(ys) - min(ys)) == (4, 4)


def test_nothing_is_animated_while_nothing_happens(page: Page, site: Site) -> None:
    open_at(page, site.at("wall-failing"))
    animations = page.evaluate(
        "document.getAnimations().map((a) => [a.effect.getTiming().delay, a.effect.getComputedTiming().progress])"
    )
    assert animations == [[19_000, None]] * 3


def test_a_silent_wall_is_loaded_anew_only_when_the_wall_answers(page: Page, site: Site) -> None:
    page.clock.install(time=NOW)
    open_at(page, site.at("wall-waiting"))
    page.evaluate("window.kept = true")
    wall, site.pages["wall-waiting"] = site.pages["wall-waiting"], "<!doctype html><title>Sign in</title>"
    with page.expect_response(lambda answer: "wall-waiting" in answer.url):
        page.clock.run_for(65_000)
    page.clock.run_for(1_000)
    assert page.evaluate("window.kept")
    site.pages["wall-waiting"] = wall
    with page.expect_navigation():
        page.clock.run_for(40_000)
    assert page.evaluate("window.kept") is None


def test_without_script_the_wall_is_worst_first_and_pins_two(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    page.goto(site.at("wall-failing"))
    expect(page.locator("#rows .qr:visible")).to_have_count(2)
    expect(page.locator("#rows > li").first).to_contain_text("payments-worker")
    context.close()


@pytest.mark.parametrize("wedged", [False, True], ids=["silent", "wedged"])
def test_the_overlay_comes_by_its_pixels_within_20_s(browser: Browser, site: Site, wedged: bool) -> None:
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    frames: list[tuple[float, int]] = []
    devtools = context.new_cdp_session(page)

    def keep(frame: dict[str, object]) -> None:
        frames.append((time.monotonic(), saturation(base64.b64decode(str(frame["data"])))))
        devtools.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    devtools.on("Page.screencastFrame", keep)
    open_at(page, site.at("wall-failing"))
    began = time.monotonic()
    devtools.send("Page.startScreencast", {"format": "png", "maxWidth": 160, "maxHeight": 90})
    other = context.new_page()
    while not coloured(frames):
        assert time.monotonic() - began < 15, "nothing was painted"
        other.wait_for_timeout(50)
    if wedged:
        page.evaluate("""() => setTimeout(() => {
            for (const end = performance.now() + 24e3; performance.now() < end; );
        }, 0)""")
    while time.monotonic() - began < 22.5:
        other.wait_for_timeout(250)
    devtools.detach()
    grey = [at - began for at, how in frames if how < 40 and at > coloured(frames)[0]]
    assert grey
    assert coloured(frames)[-1] - began < grey[0]
    assert 17 <= grey[0] <= 21.5
    context.close()


def coloured(frames: list[tuple[float, int]]) -> list[float]:
    """When a frame had a colour of trouble in it."""
    return [at for at, how in frames if how > 100]


def saturation(png: bytes) -> int:
    """The widest distance between two channels of one pixel of an RGB(A) picture (PNG, third edition, section 9)."""
    at, packed, width, colours = 8, b"", 0, 3
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, colours = struct.unpack(">I", body[:4])[0], {2: 3, 6: 4}[body[9]]
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    lines, stride, most = zlib.decompress(packed), width * colours, 0
    before = bytearray(stride)
    for start in range(0, len(lines), stride + 1):
        how, line = lines[start], bytearray(lines[start + 1 : start + 1 + stride])
        for i in range(stride) if how else ():
            left, corner = (line[i - colours], before[i - colours]) if i >= colours else (0, 0)
            up = before[i]
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda value: abs(guess - value))
            line[i] = (line[i] + (0, left, up, (left + up) // 2, paeth)[how]) & 255
        before = line
        most = max(most, *(max(line[i : i + 3]) - min(line[i : i + 3]) for i in range(0, stride, colours)))
    return most


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(tmp_path_factory.mktemp("wall"), stack)


def hung(page: Page, rig: Rig) -> None:
    """The wall of the open cluster, that listens; nobody touches it from here on."""
    page.goto(f"{rig.url}wall?cluster=open&{ROOM}")
    expect(page.locator("#sentence")).to_have_text("Both are good. Nothing waits.")
    until(page, "document.querySelector('[data-stream]')._htmx?.sse")


def impatient(page: Page) -> None:
    """Silence covers the page after a moment, until `page` is told otherwise."""
    page.evaluate("document.documentElement.style.setProperty('--patience', '300ms')")
    expect(page.locator(".stale")).to_have_css("opacity", "1")
    page.evaluate("document.documentElement.style.removeProperty('--patience')")


def caught_up(page: Page, name: str, version: str) -> None:
    expect(page.locator(".stale")).to_have_css("opacity", "0")
    expect(page.locator("#rows li", has_text=name).locator(".ver")).to_have_text(version)
    expect(page.locator("#foot .live")).to_contain_text("LIVE")


def test_a_server_that_was_away_comes_back_without_a_keyboard(page: Page, rig: Rig) -> None:
    hung(page, rig)
    rig.server.signal(signal.SIGKILL)
    rig.server.ended()
    impatient(page)
    rig.open.ship("load-01", "load-0001", "8.8.8")
    rig.serve()
    caught_up(page, "load-0001", "8.8.8")


def test_a_network_that_was_away_comes_back_without_a_keyboard(page: Page, rig: Rig) -> None:
    hung(page, rig)
    page.context.set_offline(True)
    impatient(page)
    rig.open.ship("load-00", "load-0000", "8.8.9")
    page.context.set_offline(False)
    caught_up(page, "load-0000", "8.8.9")


def test_a_screen_that_slept_while_its_connection_died_wakes_up_to_date(page: Page, rig: Rig) -> None:
    hung(page, rig)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    rig.server.signal(signal.SIGKILL)
    rig.server.ended()
    rig.open.ship("load-01", "load-0001", "8.9.0")
    rig.serve()
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    caught_up(page, "load-0001", "8.9.0")


def test_a_login_that_ended_is_told_in_large_letters_and_the_wall_comes_back_by_itself(
    page: Page, tmp_path: Path
) -> None:
    running = Running(tmp_path)
    try:
        page.clock.install()
        page.goto(running.here.url)
        page.locator(".who > button").click()
        page.locator(".who button[value=viewer]").click()
        expect(page.locator(".who > button")).to_have_text("Viewer")
        page.goto(f"{running.here.url}/wall?{ROOM}")
        until(page, "document.querySelector('[data-stream]')._htmx?.sse")
        running.end_all_sessions()
        expect(page.locator("h1")).to_have_text("You are no longer signed in.")
        size, text = page.evaluate(SMALLEST)
        assert size >= needed(55, 5, 1280, 720) - 0.05, text
        expect(page.locator(".stale")).to_be_hidden()
        with page.expect_navigation():
            page.clock.run_for(100_000)
        expect(page.locator("main > header #sentence")).to_be_visible()
    finally:
        running.stop()


def test_pictures_of_every_state_are_kept(browser: Browser) -> None:
    preview.OUT.mkdir(parents=True, exist_ok=True)
    names = [f"wall-{state}" for state in ("calm", "moving", "waiting", "failing", "stale")]
    server = preview.serve({name: preview.PICTURES[name][0]() for name in names})
    for name in names:
        preview.shoot(browser, f"http://127.0.0.1:{server.server_port}", name, ("dark",))
    server.shutdown()
    server.server_close()
    kept = {Path(preview.OUT / f"{name}-{width}.png") for name in names for width in (1920, 3840)}
    assert all(path.stat().st_size > 10_000 for path in kept)
