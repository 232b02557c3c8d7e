"""Pages as HTML: the shell around the regions, conditional, compressed, and refused in words."""

import gzip
import re
from datetime import timedelta

import pytest

from app.domain.facts import Fact
from app.domain.rollout import Phase
from tests.web.site import look, site, sources

pytestmark = pytest.mark.anyio
FLEET = [look(f"svc-{i}", e) for i in range(4) for e in ("staging", "production")]
HOSTILE = """"><script>alert(1)</script><hx-partial hx-target="body">'{{7*7}}"""


@pytest.mark.parametrize("path", ["/", "/sources"])
async def test_page_is_html_that_is_kept_only_with_asking(tmp_path, path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        status, headers, body = await here.get(path)
        assert status == 200
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["vary"] == "Accept, Accept-Encoding, HX-Request"
        assert headers["cache-control"] == "private, no-cache"
        assert body.startswith(b"<!doctype html>")
        assert body.endswith(b"</html>")
        assert (await here.get(path, if_none_match=headers["etag"]))[0] == 304
        async with here.client.head(path) as head:
            assert head.status == 200
            assert int(head.headers["content-length"]) == len(body)
            assert await head.read() == b""


async def test_page_is_packed_for_who_takes_it(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        async with here.client.get("/", headers={"accept-encoding": "gzip;q=1.0, br"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            packed = await answer.read()
        _, headers, plain = await here.get("/", accept_encoding="gzip;q=0")
        assert "content-encoding" not in headers
        assert packed in (plain, gzip.decompress(gzip.compress(plain)))


async def test_page_stream_is_told_not_to_be_buffered(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        async with here.stream("/") as stream:
            headers = stream.response.headers
            assert headers["x-accel-buffering"] == "no"
            assert headers["cache-control"] == "no-cache, no-transform"
            assert "content-encoding" not in headers
        async with here.client.head("/", headers={"accept": "text/event-stream"}) as head:
            assert head.content_type == "text/event-stream"


async def test_page_refuses_what_a_parameter_cannot_be_and_says_what_it_can(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        status, headers, body = await here.get("/?attention=angry", accept="text/html")
        assert status == 400
        assert headers["content-type"].startswith("text/html")
        assert b"failed, waiting, moving, unknown, good" in body
        assert (await here.get("/?whatever=1"))[0] == 200


async def test_page_shows_ages_as_of_now_whatever_was_drawn_when(tmp_path):
    clock = [sources()[0].seen_at]
    async with site(tmp_path, [*sources(), *FLEET], clock=lambda: clock[0], heartbeat=0.05) as here:
        _, _, young = await here.get("/")
        clock[0] += timedelta(days=365, minutes=1)
        async with here.stream("/") as stream:
            await stream.until("365 d")
        _, _, old = await here.get("/")
        assert b"365 d" not in young
        ages = re.findall(r"data-ago[^>]*>([^<]*)<", old.decode())
        assert set(ages) == {"365 d"}


async def test_page_says_that_it_is_starting_and_comes_back_by_itself(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET], running=False) as here:
        status, headers, body = await here.get("/")
        assert (status, headers["retry-after"], headers["refresh"]) == (503, "1", "1")
        assert b"Shipboard is starting" in body


@pytest.mark.parametrize("path", ["/", "/sources", "/?q=%22%3E%3Cscript%3E"])
async def test_hostile_text_is_inert_in_page_and_stream(tmp_path, path):
    bad = look("svc-1", version=HOSTILE[:50], phase=Phase.FAILED, message=HOSTILE, cluster=HOSTILE)
    facts: list[Fact] = [*sources(), *sources(HOSTILE), *FLEET, bad]
    async with site(tmp_path, facts) as here, here.stream(path) as stream:
        _, _, page = await here.get(path)
        first = await stream.event()
        for text in (page.decode(), first.data):
            assert "<script>" not in text
            assert '<hx-partial hx-target="body"' not in text
            assert "49" not in re.findall(r"'(49)", text)
