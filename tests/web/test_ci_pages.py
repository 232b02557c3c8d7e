"""Pages of CI, commits, the timeline and DORA: served, streamed, refused, exported; safe from hostile text."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.dora import Incident, IncidentTold
from app.domain.packages import Package
from app.domain.reports import (
    Attestation,
    Bill,
    Case,
    CaseResult,
    Finding,
    Image,
    Reported,
    ReportSubject,
    ScanReport,
    Severity,
    TestReport,
    Upload,
    Verification,
)
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
        *uploads(title),
        billed(title),
    ]


REPO = "github.com/acme/cart"
IMAGE = made("cart", "1", now()).digest


def upload(contents: TestReport | ScanReport | Attestation, digest: str = "") -> Reported:
    about = ReportSubject(REPO, sha_of("cart 1"), digest, "unit", "main")
    kind = {TestReport: "junit", ScanReport: "trivy", Attestation: "attestation"}[type(contents)]
    return Reported(Upload(about, kind, f"{len(kind):064x}", 1, "i|s", "", now()), contents)


def uploads(text: str = "It says why", many: int = 3) -> list[Reported]:
    """Of a run on `cart 1`: failing tests, findings of its image, and a claim of provenance."""
    cases = tuple(Case(text, f"test_{n:05}{text}", CaseResult.FAILED, text) for n in range(many))
    found = tuple(Finding(f"CVE-{n:05}{text}", Severity.HIGH, text, text, text) for n in range(many // 2 + 1))
    claim = Attestation((IMAGE,), Verification.CLAIMED, builder=text, reason=text)
    scan = ScanReport("Trivy", "1", found, image=Image(IMAGE))
    return [upload(TestReport("JUnit", cases)), upload(scan, IMAGE), upload(claim, IMAGE)]


def billed(text: str = "cart", many: int = 3) -> Reported:
    """The bill of materials of the image of `cart 1`."""
    some = tuple(Package(f"{text} {n:05}", f"1.{n} {text}", text, text) for n in range(many))
    bill = Bill("CycloneDX 1.6", text, many, packages=some, left_out=2 if many > 3 else 0)
    about = ReportSubject(REPO, sha_of("cart 1"), IMAGE, "image", "main")
    return Reported(Upload(about, "cyclonedx", "f" * 64, 1, "i|s", "", now()), bill)


def paths():
    run = ran("cart", "1", now())[0]
    sha = sha_of("cart 1")
    told = [f"/reports/{one.upload.id}" for one in uploads()]
    asked = ("/pipelines", "/pipelines?service=cart", f"/pipelines/{run.key}", f"/commits/{sha}", "/timeline")
    told += [
        f"/reports/{billed().upload.id}",
        f"/artifacts/{IMAGE}?package=00001",
        "/artifacts?package=00001",
    ]
    return (*asked, "/dora", "/dora?figure=fail&window=12w", f"/artifacts/{IMAGE}", "/artifacts", *told)


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


async def test_image_and_its_reports_lead_to_one_another(tmp_path):
    unit, scan, _ = (one.upload.id for one in uploads())
    sha, run = sha_of("cart 1"), ran("cart", "1", now())[0].key
    async with site(tmp_path, facts()) as here:
        pages = {
            path: (await here.get(path))[2].decode()
            for path in (f"/artifacts/{IMAGE}", f"/reports/{unit}", f"/pipelines/{run}", f"/commits/{sha}")
        }
        for path, links in zip(
            pages,
            (
                (f"/commits/{sha}", f"/reports/{scan}"),
                (f"/commits/{sha}", f"/pipelines/{run}"),
                (f"/artifacts/{IMAGE}", f"/reports/{unit}", f"/reports/{scan}"),
                (f"/artifacts/{IMAGE}",),
            ),
            strict=True,
        ):
            assert all(f'href="{link}"' in pages[path] for link in links), path
        told = json.loads((await here.get(f"/api/v1/artifacts/{IMAGE}"))[2])
        assert (told["sha"], told["signatures"][0]["proof"]) == (sha, "claimed")
        assert told["sentence"]["text"].split(".")[0] in pages[f"/artifacts/{IMAGE}"]


async def test_image_page_hears_of_a_second_build(tmp_path):
    async with site(tmp_path, facts()) as here, here.stream(f"/artifacts/{IMAGE}") as stream:
        await stream.event()
        await here.ingest([replace(made("cart", "1", now()), digest="sha256:" + "9" * 64)])
        assert "Build once and promote that digest" in await stream.until("was seen with 2 images")


async def test_report_with_too_much_shows_a_part_and_counts_all(tmp_path):
    unit, scan, _ = (one.upload.id for one in uploads())
    async with site(tmp_path, [*sources(), *uploads(many=10_000)]) as here:
        for ident, kept, of in ((unit, "test_", "10,000"), (scan, "CVE-", "5,001")):
            first, last, beyond = [
                (await here.get(f"/reports/{ident}{part}"))[2].decode() for part in ("", "?part=5", "?part=6")
            ]
            assert f"1 to 100 of {of}; 500 are kept" in first
            assert first.count(f"<b>{kept}") == 100
            assert f"401 to 500 of {of}" in last
            assert "There is nothing on this page." in beyond
            told = json.loads((await here.get(f"/api/v1/reports/{ident}"))[2])
            assert len(told["cases"] or told["findings"]) == 500
            first = (told["cases"] or told["findings"])[0]
            assert "It says why" in (first.get("message") or first.get("title"))


async def test_packages_are_searched_a_hundred_at_once_and_lead_to_what_runs(tmp_path):
    bill = f"/reports/{billed().upload.id}"
    where = ((f"/artifacts/{IMAGE}", "251 packages; 2 more are left out"), (bill, "251 packages"))
    async with site(tmp_path, [*sources(), look("cart", "production", "1"), billed(many=251)]) as here:
        for path, said in where:
            first, last, one, none = [
                (await here.get(f"{path}{asked}"))[2].decode()
                for asked in ("", "?part=3", "?package=cart+00250", "?package=cart+zz")
            ]
            assert said in first
            assert first.count("which running images contain it") == 100
            assert "201 to 251 of 251" in last
            assert 'href="?part=2"' in last
            assert "1 of 251 packages" in one
            assert "/artifacts?package=cart%2000250" in one
            assert "No package in it has all of" in none
            told = json.loads((await here.get(f"/api/v1{path}/packages?package=CART+1.2&limit=2"))[2])
            assert [item["name"] for item in told["items"]] == ["cart 00002", "cart 00020"]
            more = json.loads((await here.get(f"/api/v1{path}/packages?cursor={told['next']}&limit=500"))[2])
            assert (len(more["items"]), more["next"]) == (249, None)
        assert (await here.get(f"/api/v1{bill}/packages?package=x"))[0] == 400


async def test_images_that_contain_a_package_are_told_with_where_they_run_as_soon_as_it_is_known(tmp_path):
    runs = look("cart", "production", "1")
    revision = runs.state.revision
    assert revision is not None
    runs = replace(runs, state=replace(runs.state, revision=replace(revision, digests=(IMAGE,))))
    async with site(tmp_path, [*sources(), runs]) as here:
        before = json.loads((await here.get("/api/v1/artifacts?package=cart+00001"))[2])
        assert (before["images"], before["holders"], len(before["untold"])) == (1, [], 1)
        async with here.stream("/artifacts?package=cart+00001") as stream:
            assert "No running image tells what it contains" in (await stream.event()).data
            await here.ingest([billed()])
            assert "One running image contains it, in production" in await stream.until("contains it, in")
        body = (await here.get("/artifacts?package=cart+00001"))[2].decode()
        assert f'href="/artifacts/{IMAGE}?package=cart+00001"' in body
        after = json.loads((await here.get("/api/v1/artifacts?package=cart+00001"))[2])
        assert [line["service"] for line in after["holders"][0]["running"]] == ["cart"]


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
        (f"/artifacts/sha256:{'0' * 64}", 404),
        ("/artifacts/latest", 400),
        (f"/reports/{'0' * 24}", 404),
        (f"/reports/{uploads()[0].upload.id}?part=0", 400),
        ("/artifacts?package=x", 400),
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
        rows, told = list(csv.DictReader(io.StringIO(text.decode()))), json.loads(body)["items"]
        assert [row["id"] for row in rows] == [row["id"] for row in told] != []
        figures = json.loads((await here.get("/api/v1/dora?environment=production"))[2])["figures"]
        assert figures["fail"]["of"] == sum(row["young"] == "false" for row in rows)


def test_csv_cell_is_no_formula():
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
        path = "/api/v1/dora/rows?figure=recovery&until="
        late = json.loads((await here.get(f"{path}2999-01-01T00:00:00Z"))[2])
        assert late["items"] == []  # the window ends in another millennium
        until = (begun + timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
        (row,) = json.loads((await here.get(f"{path}{until}"))[2])["items"]
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
