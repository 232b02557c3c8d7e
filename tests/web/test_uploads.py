"""Uploads through HTTP: on disk before 201, the same answer for the same report, bombs and halves refused in words."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import select

from app.domain.errors import StoreUnavailable
from app.domain.facts import Fact
from app.domain.people import EVERYWHERE, NOBODY, Principal, PrincipalKind, Role
from app.domain.policy import Permission, permits
from app.ingest import Ingest
from app.live import Live
from app.main import create_app
from app.settings import Settings
from app.sources import reports
from app.sources.signatures import Signatures
from app.store.report_tables import REPORT
from app.web import errors
from app.web.api import reports as shown
from app.web.auth import tokens
from app.web.bodies import Intake
from app.web.uploads import Desk, routes
from tests.databases import fresh
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
SHA = "d" * 40
JUNIT = b"<testsuite name='s'><testcase name='a'/><testcase name='b'><failure message='no'/></testcase></testsuite>"
ABOUT = f"repo=git@github.com:Acme/cart.git&sha={SHA}&job=unit"


def token(*verbs: str) -> Principal:
    roles = {EVERYWHERE: frozenset({Role.OPERATOR})}
    return Principal(PrincipalKind.TOKEN, "shipboard", "token-1", roles=roles, verbs=frozenset(verbs))


@asynccontextmanager
async def asking(
    directory: Path, who: Principal | None = None, intake: Intake | None = None, *, down: bool = False
) -> AsyncIterator[AsyncClient]:
    """The door and the API of reports, for a caller who is `who`."""
    async with opened(fresh(directory)) as database:
        ingest = Ingest(database, Live())

        async def door(facts: Sequence[Fact]) -> None:
            if down:
                raise StoreUnavailable("It was not stored.", "The disk is full.", "Make room.")
            await ingest(facts)

        app = FastAPI()
        errors.install(app)
        desk = Desk(database, door, Signatures())
        if intake:
            desk.intake = intake
        api = APIRouter(prefix="/api/v1")
        shown.add_list(api, database)
        app.include_router(api)
        app.include_router(routes(desk))

        async def known(scope, receive, send) -> None:
            await app({**scope, "principal": who or token("report")}, receive, send)

        async with AsyncClient(transport=ASGITransport(known), base_url="http://localhost") as http:
            yield http


async def post(
    http: AsyncClient, body: Any = JUNIT, kind: str = "junit", about: str = ABOUT, **headers: str
) -> Any:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.post(f"/api/v1/ingest/{kind}?{about}", content=body, headers=told)


async def kept(directory: Path) -> list[Any]:
    async with opened(fresh(directory)) as database, database.reading() as connection:
        return list(await connection.execute(select(REPORT)))


async def test_report_is_taken_and_can_be_read(tmp_path):
    async with asking(tmp_path) as http:
        answer = await post(http)
        (line,) = answer.json()["reports"]
        assert (answer.status_code, line["repo"], line["sha"]) == (201, "github.com/acme/cart", SHA)
        assert (line["tests"]["passed"], line["tests"]["failed"], line["tests"]["new"]) == (1, 1, 0)
        assert answer.headers["location"] == f"/api/v1/reports/{line['id']}"
        listed = (await http.get(f"/api/v1/reports?sha={SHA}")).json()
        assert [item["id"] for item in listed["items"]] == [line["id"]]


async def test_lists_of_reports_go_on_where_they_stopped(tmp_path):
    async with asking(tmp_path) as http:
        for n in range(5):
            await post(http, JUNIT.replace(b"'s'", b"'%d'" % n))
        seen, address = [], "/api/v1/reports?limit=2"
        while address:
            page = (await http.get(address)).json()
            seen += [item["id"] for item in page["items"]]
            address = page["next"] and f"/api/v1/reports?limit=2&cursor={page['next']}"
        assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("kind", ["junit", "auto"])
async def test_same_report_again_changes_nothing(tmp_path, kind):
    async with asking(tmp_path) as http:
        answers = await asyncio.gather(*(post(http, kind=kind) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["reports"][0]["id"] for answer in answers}) == 1
    assert len(await kept(tmp_path)) == 1


async def test_idempotency_key_gets_the_same_answer_and_no_other_upload(tmp_path):
    async with asking(tmp_path) as http:
        first = await post(http, idempotency_key="k-1")
        again = await post(http, idempotency_key="k-1")
        other = await post(http, JUNIT + b"\n", idempotency_key="k-1")
        assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
        for about in (ABOUT.replace("unit", "e2e"), ABOUT.replace("ddd", "eee")):
            assert (await post(http, about=about, idempotency_key="k-1")).status_code == 422
        assert first.json() == again.json()
        assert "another upload" in other.json()["detail"]
        assert (await post(http, idempotency_key="x" * 300)).status_code == 422
    assert len(await kept(tmp_path)) == 1


async def test_gzip_and_forms_with_several_files_are_taken(tmp_path):
    async with asking(tmp_path) as http:
        assert (await post(http, gzip.compress(JUNIT), content_encoding="gzip")).status_code == 201
        files = [("file", (f"TEST-{n}.xml", JUNIT.replace(b"'s'", b"'%d'" % n))) for n in range(3)]
        answer = await http.post(f"/api/v1/ingest/junit?{ABOUT}", files=files)
        assert (answer.status_code, len(answer.json()["reports"])) == (201, 3)
        assert (await http.post(f"/api/v1/ingest/junit?{ABOUT}", files={}, data={"a": "b"})).status_code < 500
        empty = {"content-type": "multipart/form-data; boundary=x"}
        assert (
            await http.post(f"/api/v1/ingest/junit?{ABOUT}", content=b"x", headers=empty)
        ).status_code == 400
    assert len(await kept(tmp_path)) == 5


@pytest.mark.parametrize(
    ("body", "packing", "status", "said"),
    [
        (gzip.compress(b"\0" * (64 << 20)), "gzip", 413, "as large"),
        (gzip.compress(JUNIT)[:-9], "gzip", 400, "gzip"),
        (gzip.compress(JUNIT) + gzip.compress(JUNIT), "gzip", 400, "follows"),
        (JUNIT, "gzip", 400, "gzip"),
        (zlib.compress(JUNIT), "deflate", 415, "deflate"),
        (JUNIT, "br", 415, "br"),
        (JUNIT, "gzip, gzip", 415, "gzip"),
        (b"x" * (reports.MAX_BYTES + 1), "identity", 413, "32 MiB"),
    ],
    ids=["bomb", "cut", "twice", "not packed", "deflate", "br", "nested", "too large"],
)
async def test_body_that_is_packed_otherwise_or_too_tightly_is_refused(tmp_path, body, packing, status, said):
    async with asking(tmp_path) as http:
        answer = await post(http, body, content_encoding=packing)
        assert answer.status_code == status
        assert said in answer.json()["detail"]
    assert await kept(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("junit", JUNIT[:-20]),
        ("junit", b'<!DOCTYPE a [<!ENTITY b "c">]><testsuite/>'),
        ("junit", b"<testsuite>" * 1000),
        ("sarif", b"[" * 5000),
        ("tap", b"\xff\xff"),
        ("auto", b"hello"),
        ("auto", b""),
    ],
)
async def test_report_that_cannot_be_read_is_kept_with_its_reason_and_422(tmp_path, kind, body):
    async with asking(tmp_path) as http:
        answer = await post(http, body, kind)
        problem = answer.json()
        assert answer.status_code == 422
        (told,) = problem["reports"]
        assert told["state"] == "refused"
        assert told["reason"] in problem["detail"]
    (row,) = await kept(tmp_path)
    assert (row.state, row.reason) == ("refused", told["reason"])


async def test_one_bad_file_of_a_form_does_not_undo_the_good_ones(tmp_path):
    async with asking(tmp_path) as http:
        files = [("a", ("a.xml", JUNIT)), ("b", ("b.xml", b"<half"))]
        answer = await http.post(f"/api/v1/ingest/junit?{ABOUT}", files=files)
        assert answer.status_code == 422
        assert sorted(one["state"] for one in answer.json()["reports"]) == ["refused", "taken"]


@pytest.mark.parametrize("about", ["sha=abc", f"sha={SHA}&repo=http://[", f"sha={SHA}&digest=sha256:1", ""])
async def test_report_about_nothing_or_nonsense_is_422(tmp_path, about):
    async with asking(tmp_path) as http:
        assert (await post(http, about=about)).status_code == 422


async def test_report_that_names_its_own_commit_needs_no_parameter(tmp_path):
    body = (
        b'{"reportFormat":"CTRF","results":{"tool":{"name":"t"},"tests":[],"environment":{"commit":"%s"}}}'
        % SHA.encode()
    )
    async with asking(tmp_path) as http:
        answer = await post(http, body, "auto", "")
        assert (answer.status_code, answer.json()["reports"][0]["sha"]) == (201, SHA)


async def test_unknown_kind_is_404_and_names_those_there_are(tmp_path):
    async with asking(tmp_path) as http:
        answer = await post(http, kind="xunit")
        assert answer.status_code == 404
        assert "junit" in answer.json()["detail"]


@pytest.mark.parametrize(("who", "status"), [(NOBODY, 401), (token("restart"), 403), (token("report"), 201)])
async def test_only_who_may_report_is_let_in(tmp_path, who, status):
    async with asking(tmp_path, who) as http:
        answer = await post(http)
        assert answer.status_code == status
        assert ("www-authenticate" in answer.headers) is (status == 401)


async def test_nobody_reports_without_a_token(tmp_path):
    app = create_app(Settings(database=fresh(tmp_path)))
    client = AsyncClient(transport=ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), client as http:
        assert (await post(http)).status_code == 403  # neither a token nor a page it comes from
        assert (await post(http, authorization="Bearer nonsense")).status_code == 401
        assert (await http.get("/api/v1/reports")).json() == {"items": [], "next": None}


async def test_upload_is_503_while_nothing_can_be_stored(tmp_path):
    async with asking(tmp_path, down=True) as http:
        answer = await post(http)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers


async def test_body_that_does_not_arrive_is_408(tmp_path):
    async def slow() -> AsyncIterator[bytes]:
        yield b"<testsuite>"
        await asyncio.sleep(30)

    async with asking(tmp_path, intake=Intake(1 << 20, 1 << 20, 0.1)) as http:
        assert (await post(http, slow())).status_code == 408


async def test_more_than_is_taken_together_is_503(tmp_path):
    async with asking(tmp_path, intake=Intake(1 << 20, 50, 5.0)) as http:
        answer = await post(http)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_token_of_repositories_reports_for_these_alone(tmp_path):
    who = replace(token("report"), repositories=("github.com/acme/c*",))
    told = {"repositoryUrl": "https://github.com/acme/mail", "commit": SHA}
    results = {"tool": {"name": "t"}, "tests": [], "environment": told}
    ctrf = {"reportFormat": "CTRF", "specVersion": "0.0.0", "results": results}
    async with asking(tmp_path, who) as http:
        assert (await http.post(f"/api/v1/ingest/junit?{ABOUT}", content=JUNIT)).status_code == 201
        for query, body, why in (
            (
                f"repo=github.com/acme/mail&sha={SHA}",
                JUNIT,
                "github.com/acme/c*, not for github.com/acme/mail",
            ),
            (f"sha={SHA}", JUNIT, "names a repository"),
            (f"repo=github.com/acme/mail&sha={SHA}", b"junk", "not for github.com/acme/mail"),
            ("", json.dumps(ctrf).encode(), "not for github.com/acme/mail"),
        ):
            refused = await http.post(f"/api/v1/ingest/auto?{query}", content=body)
            assert refused.status_code == 403, refused.text
            assert why in refused.json()["detail"]
            assert refused.json()["blocked_by"][0]["rule"] == "scope"
        assert len((await http.get("/api/v1/reports")).json()["items"]) == 1, "what is refused leaves nothing"


def test_token_of_repositories_does_nothing_else_but_look():
    who = replace(token("report", "pause"), verbs=None, repositories=("github.com/acme/cart",))
    assert permits(who, Permission.VIEW).allowed
    assert permits(who, Permission.REPORT).allowed
    for permission, environment in (
        (Permission.REPORT, "production"),
        (Permission.ACT, "production"),
        (Permission.AUDIT, ""),
    ):
        (blocker,) = permits(who, permission, environment).blocked_by
        assert blocker.message == "This token only reports for github.com/acme/cart."


def test_token_is_made_for_repositories_however_they_are_written():
    made = tokens.Wanted("ci", "operator", repositories=("git@github.com:Acme/Cart.git", "github.com/acme/*"))
    _, row = tokens.api_token(made, None, datetime(2026, 11, 25, tzinfo=UTC))
    assert json.loads(row["repositories"]) == ["github.com/acme/cart", "github.com/acme/*"]
    assert "only reports for github.com/acme/cart, github.com/acme/*" in tokens.spoken(row)
    for wrong in (replace(made, role="viewer"), replace(made, repositories=("cart",))):
        with pytest.raises(ValueError, match=r"reports for|no repository"):
            tokens.api_token(wrong, None, datetime(2026, 11, 25, tzinfo=UTC))
