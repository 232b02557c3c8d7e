"""Pages of CI, commits, the timeline and DORA: served, streamed, refused, exported; safe from hostile text."""

import csv
import io
import json
from datetime import timedelta

import pytest

from app.domain.dora import Incident, IncidentTold
from app.domain.rollout import Phase
from app.web.api.dora import to_csv
from app.web.api.sample_ci import DORA_ROW, RUN
from app.web.api.sample_ci import NOW as THEN
from app.web.plots import axis, strip, trend
from tests.ci import made, pushed, ran, reported, sha_of
from tests.web.site import look, now, site, sources

pytestmark = pytest.mark.anyio
EVIL = """"><script>alert(1)</script><hx-partial hx-target="body">'{{7*7}}"""


def facts(title: str = "A change", url: str = ""):
    at = now() - timedelta(hours=2)
    return [
        *sources(),
        look("cart", "staging", "1"),
        look("cart", "production", "1"),
        pushed("cart", "1", at, title),
        *ran("cart", "1", at, title=title, url=url),
        made("cart", "1", at),
        reported("cart", "0", at - timedelta(days=3)),
    ]


def paths():
    run = ran("cart", "1", now())[0]
    sha = sha_of("cart 1")
    asked = ("/pipelines", "/pipelines?service=cart", f"/pipelines/{run.key}", f"/commits/{sha}", "/timeline")
    return (*asked, "/dora", "/dora?figure=fail&window=12w")


@pytest.mark.parametrize("path", paths())
async def test_page_and_its_stream_show_the_same_and_hostile_text_is_inert(tmp_path, path):
    async with site(tmp_path, facts(EVIL, "javascript:alert(1)")) as here, here.stream(path) as stream:
        status, headers, body = await here.get(path)
        first = (await stream.event()).data
        assert status == 200
        assert (await here.get(path, if_none_match=headers["etag"]))[0] in (200, 304)
        for text in (body.decode(), first):
            assert "<script>alert" not in text
            assert '<hx-partial hx-target="body"' not in text
            assert 'href="javascript' not in text
            assert " style=" not in text
        assert b"curl" in body


async def test_pipelines_without_any_say_how_to_begin(tmp_path):
    async with site(tmp_path, sources()) as here:
        body = (await here.get("/pipelines"))[2].decode()
        assert "No CI reports yet: point a webhook at" in body
        assert "GITHUB_WEBHOOK_SECRET" in body
        assert "/hooks/github/github" in body


async def test_pipelines_stream_sends_the_row_of_a_new_run(tmp_path):
    async with site(tmp_path, facts()) as here, here.stream("/pipelines") as stream:
        await stream.event()
        await here.ingest(ran("cart", "2", now(), fails="unit"))
        told = await stream.until("Unit failed")
        assert 'hx-target="#s-cart"' in told
        assert "build is red" in told


async def test_board_streams_the_build_of_a_service(tmp_path):
    async with site(tmp_path, facts()) as here, here.stream("/") as stream:
        await stream.event()
        await here.ingest(ran("cart", "2", now(), fails="unit"))
        assert sha_of("cart 2")[:7] in await stream.until("Unit failed")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pipelines?state=odd", 400),
        ("/pipelines?before=yesterday", 400),
        ("/pipelines?service=nothing", 404),
        (f"/pipelines/{'0' * 24}", 404),
        (f"/commits/{'0' * 40}", 404),
        ("/commits/xyz", 400),
        ("/timeline?window=1y", 400),
        ("/dora?window=1y", 400),
        ("/dora?until=now", 400),
    ],
)
async def test_page_refuses_in_words(tmp_path, path, status):
    async with site(tmp_path, facts()) as here:
        found, headers, body = await here.get(path, accept="text/html")
        assert found == status
        assert headers["content-type"].startswith("text/html")
        assert b"<h1" in body


async def test_csv_and_json_of_dora_have_the_same_rows(tmp_path):
    async with site(tmp_path, facts()) as here:
        _, _, body = await here.get("/api/v1/dora/rows?environment=production")
        status, headers, text = await here.get("/api/v1/dora/rows.csv?environment=production")
        assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
        rows, told = list(csv.DictReader(io.StringIO(text.decode()))), json.loads(body)
        assert [row["id"] for row in rows] == [row["id"] for row in told] != []
        figures = json.loads((await here.get("/api/v1/dora?environment=production"))[2])["figures"]
        assert figures["fail"]["of"] == sum(row["young"] == "false" for row in rows)


def test_csv_cell_is_no_formula():
    from dataclasses import replace

    assert "'=1+1" in to_csv([replace(DORA_ROW, version="=1+1")])


async def test_incident_fails_the_deployment_that_it_names(tmp_path):
    async with site(tmp_path, [*facts(), look("cart", "production", "2", Phase.PROGRESSING)]) as here:
        await here.ingest([look("cart", "production", "2")])
        begun = now() + timedelta(seconds=1)
        incident = Incident("pd-1", "cart", "production", "Errors", begun, None, "latest")
        async with here.stream("/timeline") as stream:
            await stream.event()
            await here.ingest([IncidentTold(incident, "pagerduty")])
            assert "incident: Errors" in await stream.until("incident:")
        rows = json.loads((await here.get("/api/v1/dora/rows?figure=recovery&until=2999-01-01T00:00:00Z"))[2])
        assert rows == []  # the window ends in another millennium
        until = (begun + timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
        (row,) = json.loads((await here.get(f"/api/v1/dora/rows?figure=recovery&until={until}"))[2])
        assert (row["judged"], row["why"], row["recovery"]) == ("failed", "an incident names it", None)


def test_strip_holds_stages_within_the_axis_and_says_them_in_words():
    drawn = strip(RUN, 900, THEN)
    assert all(0 <= mark.x <= mark.x + mark.width <= 100 for mark in drawn.marks)
    assert drawn.label == "queue 0:18; unit 8:24"
    assert axis(900)[0] == (0.0, "0 min")


def test_trend_breaks_where_nothing_is_known():
    drawn = trend([(1.0, 0.5, 2.0), (1.0, 0.5, 2.0), (None, None, None), (3.0, None, None)], 4.0)
    assert drawn.line.count("M") == 2
    assert drawn.band.count("z") == 1
    assert len(drawn.dots) == 1
