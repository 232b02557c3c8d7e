"""/wall and /patterns as pages: what they ask for, what their streams send, and where their codes lead."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import segno

from app.domain.commands import CommandPhase
from app.domain.rollout import Phase, WaitKind, WaitsFor
from app.read.landing import Whither
from app.read.query import BoardQuery
from app.read.wall import WallProjection
from app.web import qr
from app.web.pages.patterns import patterns
from app.web.pages.wall import SCENES
from app.web.render import Renderer
from tests.e2e import preview
from tests.fleets import NOW
from tests.web.auth.door import door
from tests.web.site import look, site, sources

FLEET = [look(f"svc-{i}", "production") for i in range(3)]


@pytest.mark.anyio
async def test_the_wall_needs_no_other_address_than_its_own_and_open_files(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        status, _, body = await here.get("/wall?inches=55&distance=5")
        asked = re.findall(r'(?:href|src|action|hx-[a-z:]+)="(/[^"]*)"', body.decode())
        assert status == 200
        assert {path for path in asked if not path.startswith("/static/")} == {
            "/wall?inches=55&amp;distance=5"
        }
        assert b"hx-sse:connect" in body


@pytest.mark.anyio
@pytest.mark.parametrize(
    "odd", ["inches=wide", "distance=", "rows=0", "night=late", "theme=red", "inches=5500"]
)
async def test_a_room_that_cannot_be_is_refused_in_words(tmp_path, odd):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        status, _, body = await here.get(f"/wall?{odd}", accept="text/html")
        assert status == 400
        assert f"{odd.partition('=')[0]} is " in body.decode()


@pytest.mark.anyio
async def test_a_screen_with_a_token_sees_the_wall_whole_and_nothing_else(tmp_path):
    async with door(tmp_path) as board:
        view = "/wall?inches=55&distance=5&environment=production"
        cookie = await board.screen(view)
        page = await board.ask("GET", view, cookie)
        assert page.status_code == 200
        for path in set(re.findall(r'(?:href|src)="(/[^"]*)"', page.text)):
            assert (await board.ask("GET", path, cookie)).status_code == 200, path
        (stream,) = re.findall(r'hx-sse:connect="([^"]+)"', page.text)
        accept = {"accept": "text/event-stream", "cookie": cookie}
        async with board.http.stream("GET", html.unescape(stream), headers=accept) as answer:
            assert answer.status_code == 200
        assert (await board.ask("GET", "/", cookie)).status_code == 403


@pytest.mark.anyio
async def test_the_stream_sends_every_scene_and_then_what_changed(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream("/wall") as stream:
        first = (await stream.event()).data
        for name in ("sentence", "rows", *(scene.name for scene in SCENES), "foot"):
            assert f'hx-target="#{name}" hx-swap="outerMorph"' in first
        failed = look("svc-1", "production", phase=Phase.FAILED)
        await here.ingest([failed])
        change = (await stream.event()).data
        assert "1 fails" in re.sub(r"<[^>]+>", "", change)
        assert change.count("<li id=") == 1
        assert "data-problem" in change


@pytest.mark.anyio
async def test_a_problem_that_leaves_takes_its_row_with_it(tmp_path):
    asks: dict[str, Any] = {
        "phase": Phase.AWAITING_APPROVAL,
        "waits_for": WaitsFor(WaitKind.PERSON, "Go on?"),
    }
    before = [look("svc", "staging", **asks), look("svc", "production", **asks)]
    async with site(tmp_path, [*sources(), *before]) as here, here.stream("/wall") as stream:
        assert (await stream.event()).data.count("<li id=") == 2
        await here.ingest([look("svc", "staging")])
        change = (await stream.event()).data
        assert re.search(r'hx-target="#w-svc-staging-[0-9a-f]{8}" hx-swap="delete"', change)


@pytest.mark.anyio
async def test_the_pattern_book_is_a_page_with_a_real_foot(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        status, _, body = await here.get("/patterns")
        assert status == 200
        for phase in ("failed", "waiting", "moving", "unknown", "healthy"):
            assert f'data-phase="{phase}"'.encode() in body
        assert b"svc-0" not in body
        assert body.count(b'class="chart"') == 4  # two courses in two themes
        assert b"The new one against what serves" in body
        async with here.stream("/patterns") as stream:
            assert 'id="foot"' in (await stream.event()).data


def test_every_state_of_a_command_has_a_receipt_in_the_pattern_book():
    shown = [receipt for _, receipt in patterns(NOW).receipts]
    assert {receipt.line.phase for receipt in shown} == set(CommandPhase)
    assert {receipt.landing.state for receipt in shown if receipt.landing} >= {
        Whither.MOVING,
        Whither.STUCK,
        Whither.LANDED,
    }
    assert all(receipt.head in preview.pattern_book() for receipt in shown)


def drawn(public_url: str) -> str:
    shown = WallProjection(preview.busy(), BoardQuery(), NOW)
    return Renderer(public_url=public_url).page("wall.html", preview.told("wall", shown.wall, shown.contacts))


def test_a_code_leads_to_the_public_address_of_what_is_in_trouble():
    code = qr.code(
        "https://ship.example/workloads/demo/payments-worker-production/Deployment/payments-worker"
    )
    assert code
    assert code.path in drawn("https://ship.example/")


def test_without_a_public_address_there_is_no_code():
    assert 'class="qr"' not in drawn("")


@pytest.mark.parametrize("text", ["https://a.example/", "https://ship.example/workloads/" + "x" * 200])
def test_a_code_is_the_symbol_with_its_quiet_zone(text):
    code = qr.code(text)
    assert code
    grid = [[0] * code.size for _ in range(code.size)]
    for x, y, width, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", code.path):
        assert width == back
        grid[int(y)][int(x) : int(x) + int(width)] = [1] * int(width)
    made = segno.make(text, error="l", micro=False, boost_error=False)
    assert [tuple(line) for line in made.matrix_iter(border=qr.QUIET)] == [tuple(line) for line in grid]


def test_an_address_too_long_for_a_wall_is_no_code():
    assert qr.code("https://ship.example/" + "x" * qr.LONGEST) is None
