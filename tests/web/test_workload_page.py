"""The page of a workload through a running site: live, conditional, and honest about what is not there."""

import json

import pytest

from app.domain.facts import EventObserved, LogRead
from app.domain.rollout import Phase, Pod, PodCondition, Problem
from tests.web.site import gone, look, site, sources

pytestmark = pytest.mark.anyio
PATH = "/workloads/east/production/Deployment/cart"
STARTING = Pod("cart-1", "2.0.0", True, PodCondition.STARTING, "ContainerCreating")
ROLLING = look(
    "cart", version="2.0.0", phase=Phase.PROGRESSING, message="0 of 1 new pod is ready", pods=(STARTING,)
)


async def test_page_is_html_that_is_kept_only_with_asking(tmp_path):
    async with site(tmp_path, [*sources(), look("cart")]) as here:
        status, headers, body = await here.get(PATH)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b"1.0.0 is good." in body
        assert f'hx-sse:connect="{PATH}"'.encode() in body
        assert (await here.get(PATH, if_none_match=headers["etag"]))[0] == 304


async def test_stream_of_the_page_sends_what_changed_and_no_more(tmp_path):
    async with site(tmp_path, [*sources(), look("cart"), ROLLING]) as here:
        async with here.stream(PATH) as stream:
            first = await stream.event()
            assert all(f'hx-target="#{i}"' in first.data for i in ("sentence", "road", "rows", "history"))
            ready = Pod("cart-1", "2.0.0", True, PodCondition.READY)
            await here.ingest(
                [
                    look(
                        "cart",
                        version="2.0.0",
                        phase=Phase.PROGRESSING,
                        message=ROLLING.state.message,
                        pods=(ready,),
                    )
                ]
            )
            data = await stream.until('hx-target="#p-cart-1"')
        assert 'hx-target="#revisions"' in data
        assert 'hx-target="#history"' not in data
        assert 'hx-target="#sentence"' not in data


async def test_new_rollout_appears_in_the_history_at_once(tmp_path):
    async with site(tmp_path, [*sources(), look("cart")]) as here, here.stream(PATH) as stream:
        await here.ingest([ROLLING])
        assert 'hx-target="#history"' in await stream.until("so far")


async def test_copied_warning_appears_at_once_and_is_told_by_the_api(tmp_path):
    cart = look("cart")
    seen = cart.seen_at
    said = EventObserved(
        "east", "e1", cart.uid, True, "Pod/cart-1", "BackOff", "<b>again", 1234, seen, seen, seen
    )
    async with site(tmp_path, [*sources(), cart]) as here, here.stream(PATH) as stream:
        assert b"Events, kept" not in (await here.get(PATH))[2]
        await here.ingest([said])
        data = await stream.until("Events, kept")
        for words in ("Pod/cart-1", "BackOff", "&lt;b&gt;again", "×1"):
            assert words in data
        assert 'hx-target="#history"' not in data
        (kept,) = json.loads((await here.get(f"/api/v1{PATH}"))[2])["events"]
        assert (kept["about"], kept["reason"], kept["times"]) == ("Pod/cart-1", "BackOff", 1234)


async def test_last_lines_stand_in_the_why_as_long_as_it_crashes(tmp_path):
    crashing = look("cart", phase=Phase.FAILED, problems=(Problem("crash", "Error", "Exits with code 1"),))
    said = LogRead("east", crashing.uid, "cart-1", "web", "starting\n<b>FATAL", crashing.seen_at)
    async with site(tmp_path, [*sources(), crashing]) as here, here.stream(PATH) as stream:
        await here.ingest([said])
        data = await stream.until("The last lines of web in cart-1")
        assert 'hx-target="#why"' in data
        assert "&lt;b&gt;FATAL" in data
        (kept,) = json.loads((await here.get(f"/api/v1{PATH}"))[2])["logs"]
        assert kept["text"] == said.text
        await here.ingest([look("cart")])
        await stream.until('hx-target="#why"')
        assert b"The last lines" not in (await here.get(PATH))[2]


async def test_unknown_workload_is_not_found_and_a_deleted_one_says_since_when(tmp_path):
    here_was = look("cart")
    async with site(tmp_path, [*sources(), here_was]) as here:
        status, _, body = await here.get(PATH.replace("cart", "chart"), accept="text/html")
        assert (status, b"Nothing is known of Deployment chart" in body) == (404, True)
        async with here.stream(PATH) as stream:
            await here.ingest([gone(here_was)])
            assert "Deployment cart was deleted." in await stream.until("was deleted")
        status, _, body = await here.get(PATH, accept="text/html")
        assert (status, b"was deleted: it was last there at" in body) == (404, True)


async def test_parameters_do_not_change_which_workload_it_is(tmp_path):
    async with site(tmp_path, [*sources(), look("cart"), look("other")]) as here:
        _, _, body = await here.get(f"{PATH}?name=other&x=1")
        assert b'<h1 class="name">cart ' in body


async def test_board_leads_to_the_page(tmp_path):
    async with site(tmp_path, [*sources(), look("cart")]) as here:
        _, _, body = await here.get("/")
        assert body.count(f'href="{PATH}"'.encode()) == 2
