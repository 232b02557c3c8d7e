"""Pages of a past minute: the same page in a frame that says so, nothing to press, and links that stay there."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from app.domain.instants import minute
from app.domain.rollout import Phase, WaitKind, WaitsFor
from tests.web.site import RENDERER, Site, look, now, site, sources

pytestmark = pytest.mark.anyio
CART = "/workloads/east/production/Deployment/cart"
HTML = {"accept": "text/html"}


@asynccontextmanager
async def half_an_hour(directory: Path) -> AsyncIterator[tuple[Site, str]]:
    """A site that was told of half an hour, in which 2.0.0 waited for a person from minute 10 to 20, and the minute 15
    of it."""
    began = minute(now()) - timedelta(minutes=30)
    asks = WaitsFor(WaitKind.PERSON, "Resume the rollout of 2.0.0?")
    waits = look("cart", version="2.0.0", phase=Phase.PAUSED, waits_for=asks, paused=True)
    looks = {0: look("cart"), 10: waits, 20: look("cart", version="2.0.0"), 1: look("cart", "staging")}
    async with site(directory) as here:
        for passed in range(30):
            at = began + timedelta(minutes=passed)
            facts = [replace(s, seen_at=at, contact_at=at) for s in sources()]
            if found := looks.get(passed):
                facts.append(replace(found, seen_at=at))  # type: ignore[arg-type]
            await here.ingest(facts)
        await here.ingest(sources())
        await here.settled(lambda: len(here.hub.fleet.workloads) == 2)
        yield here, f"{began + timedelta(minutes=15):%Y-%m-%dT%H:%MZ}"


async def test_a_past_page_is_framed_and_offers_nothing_but_ways_through_time(tmp_path):
    async with half_an_hour(tmp_path) as (here, at):
        for path, words in (("/", "Waiting for a person"), (CART, "Nothing can be asked here")):
            status, headers, body = await here.get(f"{path}?at={at}", **HTML)
            page = body.decode()
            assert status == 200, page
            assert "<html" in page
            assert " data-past" in page
            assert f'As it was at <b><time datetime="{at.removesuffix("Z")}' in page
            assert words in page
            assert "2.0.0" in page
            for absent in ("hx-sse:connect", "/commands/", "data-beat", 'http-equiv="refresh"', "\x00"):
                assert absent not in page, absent
            _, again, _ = await here.get(f"{path}?at={at}", **HTML)
            assert headers["etag"] == again["etag"]
            cached = await here.get(f"{path}?at={at}", if_none_match=headers["etag"], **HTML)
            assert cached[0] == 304
            _, _, live = await here.get(path, **HTML)
            assert b"data-past" not in live
            assert b"As it was" not in live
            assert b"?at=-15m" in live


async def test_links_and_the_search_of_a_past_page_stay_at_its_minute(tmp_path):
    async with half_an_hour(tmp_path) as (here, at):
        _, _, body = await here.get(f"/?at={at}&environment=production&environment=staging", **HTML)
        page = body.decode()
        links = re.findall(r'(data-now )?href="([^"#]*)"', page)
        inside = [link for now_, link in links if not now_ and re.match(r"(/workloads/|/\?|\?|/$)", link)]
        assert {link for link in inside if f"at={at}" not in link and "at=" not in link} == set()
        assert f"{CART}?at={at}" in inside
        assert f"?environment=production&amp;environment=staging&amp;attention=failed&amp;at={at}" in inside
        assert [link for now_, link in links if now_] == ["/?environment=production&amp;environment=staging"]
        assert f'<input type="hidden" name="at" value="{at}">' in page
        for link in (inside[-1], f"{CART}?at={at}"):
            status, _, _ = await here.get(
                link.replace("&amp;", "&") if link[0] == "/" else f"/{link}", **HTML
            )
            assert status == 200


async def test_the_api_answers_the_board_and_a_workload_as_they_were(tmp_path):
    async with half_an_hour(tmp_path) as (here, at):
        status, headers, body = await here.get(f"/api/v1/board?at={at}")
        board = msgspec.json.decode(body)
        assert status == 200
        assert [(w["ask"], w["verb"]) for w in board["waiting"]] == [("Resume 2.0.0?", "")]
        assert [c["version"] for c in board["rows"][0]["cells"]] == ["1.0.0", "2.0.0"]
        assert (await here.get(f"/api/v1/board?at={at}", if_none_match=headers["etag"]))[0] == 304
        _, _, body = await here.get(f"/api/v1{CART}?at={at}")
        told = msgspec.json.decode(body)["workload"]
        assert (told["attention"], told["version"]) == ("waiting", "2.0.0")
        _, _, narrowed = await here.get(f"/api/v1/board?at={at}&environment=staging")
        assert [len(row["cells"]) for row in msgspec.json.decode(narrowed)["rows"]] == [1]


@pytest.mark.parametrize("path", ["/", CART, "/api/v1/board", f"/api/v1{CART}"])
async def test_what_is_no_kept_minute_is_refused_with_a_reason(tmp_path, path):
    odd = {"soon": (400, "is no instant"), "2999-01-01": (400, "in the future"), "-9d": (404, "is kept")}
    async with half_an_hour(tmp_path) as (here, at):
        for text, (expected, said) in odd.items():
            status, _, body = await here.get(f"{path}?at={text}", **HTML)
            assert status == expected, (text, body)
            assert said in body.decode(), text
            if expected == 404 and path.startswith("/api/"):  # the way that is there
                problem = msgspec.json.decode(body)
                assert (await here.get(f"/api/v1/board?at={problem['first']}"))[0] == 200
                shown = RENDERER.page("error.html", {**problem, "now": now()})
                assert f'href="?at={problem["first"]}">See the first minute</a>' in shown
        status, _, body = await here.get(f"{path}?at={at}", accept="text/event-stream")
        assert status == 400
        assert b"no stream" in body
        assert (await here.get(f"{path}?at=", **HTML))[0] == 200
        gone = await here.get(f"{path.replace('cart', 'none')}?at={at}", **HTML)
        assert gone[0] == (404 if "cart" in path else 200)
