"""Webhooks through HTTP: proven, on disk, then taken in; whatever is in them, never a 5xx."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import select

from app.main import create_app
from app.settings import HookSettings, Settings
from app.sources.hooks import PROVIDERS
from app.store.ci_tables import INBOX, RUN
from app.store.db import Database
from app.store.inbox import Inbox
from app.web import errors, hooks
from app.web.hooks import MAX_BODY
from app.web.logs import without_secret
from tests.databases import fresh
from tests.sources.hooks.signing import secret_of, signed
from tests.sources.hooks.test_payload import HOSTILE
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
SHA = "d" * 40
RUN_BODY = {
    "workflow_run": {
        "id": 7,
        "run_attempt": 1,
        "name": "CI",
        "head_sha": SHA,
        "status": "completed",
        "conclusion": "success",
        "created_at": "2026-11-25T12:00:00Z",
        "updated_at": "2026-11-25T12:05:00Z",
    },
    "repository": {"id": 5, "html_url": "https://github.com/acme/cart"},
}
REPORT = {"repository": "github.com/acme/cart", "run": "812", "status": "success", "sha": SHA}


def hook(provider: str, **more: Any) -> HookSettings:
    told = {"repositories": ("github.com/acme/*",), "secrets": (secret_of(provider),), **more}
    return HookSettings(id=f"my-{provider}", provider=provider, **told)


def settings(url: str, *found: HookSettings) -> Settings:
    return Settings(database=url, hooks=found or tuple(hook(provider) for provider in PROVIDERS))


@asynccontextmanager
async def asking(settings_: Settings) -> AsyncIterator[AsyncClient]:
    app = create_app(settings_)
    client = AsyncClient(transport=ASGITransport(app), base_url="http://localhost", timeout=30)
    async with app.router.lifespan_context(app), client as http:
        yield http


@pytest.fixture(scope="module")
async def shared(tmp_path_factory, anyio_backend) -> AsyncIterator[AsyncClient]:
    """A board for what leaves nothing that others look for."""
    async with asking(settings(fresh(tmp_path_factory.mktemp("hooks")))) as http:
        yield http


@asynccontextmanager
async def alone(directory: Path, *, body_seconds: float = 10.0, **inbox: int) -> AsyncIterator[AsyncClient]:
    """The door alone, with limits of its own."""
    async with opened(fresh(directory)) as database:
        app = FastAPI()
        errors.install(app)
        door = hooks.routes(Inbox(database, **inbox), [hook("github")], body_seconds=body_seconds)
        app.include_router(door)
        async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as http:
            yield http


async def post(http: AsyncClient, body: Any = RUN_BODY, provider: str = "github", ident: str = "d-1") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", "x-github-event": "workflow_run"}
    headers |= signed(provider, secret_of(provider), content, datetime.now(UTC), ident)
    return await http.post(f"/hooks/{provider}/my-{provider}", content=content, headers=headers)


async def rows(url: str, table) -> list[Any]:
    async with opened(url) as database:
        return await rows_of(database, table)


async def rows_of(database: Database, table) -> list[Any]:
    async with database.reading() as connection:
        return list(await connection.execute(select(table)))


async def taken_in(http: AsyncClient, least: int = 1) -> list[dict[str, Any]]:
    """The inbox once nothing waits in it."""
    async with asyncio.timeout(20):
        while True:
            lines: list[dict[str, Any]] = (await http.get("/api/v1/inbox?limit=500")).json()["items"]
            if len(lines) >= least and all(line["state"] != "new" for line in lines):
                return lines
            await asyncio.sleep(0.02)


async def test_webhook_becomes_a_run_and_copies_of_it_change_nothing(database_url):
    async with asking(settings(database_url)) as http:
        answers = await asyncio.gather(*(post(http) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {202}
        (line,) = await taken_in(http)
        assert (line["state"], line["facts"], line["hook"]) == ("done", 1, "my-github")
        found = (await http.get("/api/v1/sources")).json()
        assert found["rows"] is not None
    (run,) = await rows(database_url, RUN)
    assert (run.repo, run.sha, run.phase, run.outcome) == ("github.com/acme/cart", SHA, "done", "success")


async def test_hook_that_is_not_there_or_off_or_of_another_provider_is_404(tmp_path):
    url = fresh(tmp_path)
    off = HookSettings(id="off", provider="github", repositories=("h/r",))
    async with asking(settings(url, off, hook("gitlab"))) as http:
        for path in ("github/none", "github/off", "github/my-gitlab", "nobody/off"):
            assert (await http.post(f"/hooks/{path}", content=b"{}")).status_code == 404
        assert (await http.get("/hooks/gitlab/my-gitlab")).status_code == 405


async def test_wrong_missing_and_doubled_proof_get_the_same_401_and_leave_nothing(shared):
    body = json.dumps(RUN_BODY).encode()
    good = signed("github", secret_of("github"), body, datetime.now(UTC))["x-hub-signature-256"]
    name = "x-hub-signature-256"
    wrong: list[list[tuple[Any, Any]]] = [
        [],
        [(name, "sha256=")],
        [(name, good[:-2] + "00")],
        [(name, good), (name, good)],
        [("x-hub-signature", good)],
        [(name, good.encode() + b"\xe9")],
    ]
    before = await taken_in(shared, 0)
    for headers in wrong:
        answer = await shared.post("/hooks/github/my-github", content=body, headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (401, "Not proven"), headers
    assert await taken_in(shared, 0) == before


async def test_two_secrets_are_valid_while_one_takes_over(tmp_path):
    both = hook("github", secrets=("the next one", secret_of("github")))
    async with asking(settings(fresh(tmp_path), both)) as http:
        assert (await post(http)).status_code == 202
        body = json.dumps({**RUN_BODY, "zen": 1}).encode()
        headers = signed("github", "the next one", body, datetime.now(UTC))
        assert (await http.post("/hooks/github/my-github", content=body, headers=headers)).status_code == 202
        headers = signed("github", "another", body, datetime.now(UTC))
        assert (await http.post("/hooks/github/my-github", content=body, headers=headers)).status_code == 401


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_body_with_a_valid_proof_is_400(shared, body):
    answer = await post(shared, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]
    assert (await post(shared)).status_code == 202, "the next one is taken"


async def test_odd_but_valid_bodies_are_taken_by_every_provider_and_none_is_an_error(tmp_path):
    bodies = [
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"0",
        b'{"repository":[],"object_kind":{},"build":7,"type":{}}',
    ]
    async with asking(settings(fresh(tmp_path))) as http:
        for provider in PROVIDERS:
            for body in bodies:
                assert (await post(http, body, provider, str(body))).status_code == 202
        for line in await taken_in(http, len(bodies) * len(PROVIDERS)):
            assert line["state"] in ("dead", "ignored"), line
            assert line["reason"]
            assert "Error" not in line["reason"], line


async def test_body_beyond_the_limit_is_413_declared_or_not(shared):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * (1 << 20)

    assert (await shared.post("/hooks/github/my-github", content=endless())).status_code == 413
    large = b'{"a":"' + b"x" * MAX_BODY + b'"}'
    assert (await post(shared, large)).status_code == 413
    fits = b'{"a":"' + b"x" * (MAX_BODY - 100) + b'"}'
    assert (await post(shared, fits)).status_code == 202


async def test_body_that_does_not_arrive_is_408(tmp_path):
    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with alone(tmp_path, body_seconds=0.1) as http:
        assert (await http.post("/hooks/github/my-github", content=slow())).status_code == 408


async def test_secret_for_one_repository_cannot_report_for_another(tmp_path):
    async with asking(settings(fresh(tmp_path))) as http:
        other = {**RUN_BODY, "repository": {"id": 5, "html_url": "https://github.com/other/cart"}}
        assert (await post(http, other)).status_code == 202
        (line,) = await taken_in(http)
        assert (line["state"], line["reason"]) == (
            "dead",
            "github.com/other/cart is outside what this hook may report for.",
        )
        page = await http.get("/sources")
        (token,) = re.findall(r'data-csrf="([^"]+)"', page.text)
        ours = {"origin": "http://localhost", "x-csrf-token": token}
        replay = f"/api/v1/inbox/{line['id']}/replay"
        assert (await http.post(replay)).status_code == 403  # another page could have sent it
        assert (await http.post(replay, headers=ours)).status_code == 202
        await taken_in(http)
        assert (await http.post("/api/v1/inbox/999/replay", headers=ours)).status_code == 404


async def test_report_of_any_ci_is_taken_or_refused_with_what_is_wrong(database_url):
    async with asking(settings(database_url)) as http:

        async def send(body: Any, name: str = "my-generic") -> Any:
            content = json.dumps(body).encode()
            headers = signed("generic", secret_of("generic"), content, datetime.now(UTC), f"m{len(content)}")
            headers |= {"shipboard-hook": name, "content-type": "application/json"}
            return await http.post("/api/v1/pipelines", content=content, headers=headers)

        assert (await send(REPORT)).status_code == 202
        assert (await send(REPORT, "none")).status_code == 404
        for odd, words in (
            ({**REPORT, "status": "green"}, "must be one of"),
            ({**REPORT, "sha": "abc"}, "whole commit id"),
            ({**REPORT, "parameters": {}}, "mean nothing here: parameters"),
            ({**REPORT, "repository": "github.com/other/cart"}, "outside"),
            ({"run": 1}, "needs"),
        ):
            answer = await send(odd)
            assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
        await taken_in(http)
    (run,) = await rows(database_url, RUN)
    assert (run.provider, run.phase, run.outcome) == ("generic", "done", "success")


CHILD = """
    import asyncio, sys
    import uvicorn
    from fastapi import FastAPI
    from app.settings import HookSettings
    from app.store.db import Database
    from app.store.inbox import Inbox
    from app.web import hooks

    async def main():
        database = await Database.open(sys.argv[1])
        app = FastAPI()
        hook = HookSettings(id="my-github", provider="github", repositories=("*",), secrets=(sys.argv[2],))
        app.include_router(hooks.routes(Inbox(database), [hook]))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        await serving

    asyncio.run(main())
"""


async def test_what_was_acknowledged_is_taken_in_after_a_kill(database_url):
    """The process that answered 202 is killed before it works anything off; the next one does."""
    child = subprocess.Popen(  # noqa: ASYNC220 - read in a thread, ended below
        [sys.executable, "-c", textwrap.dedent(CHILD), database_url, secret_of("github")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    try:
        port = int(await asyncio.to_thread(child.stdout.readline))
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            answers = await asyncio.gather(
                *(
                    post(
                        http,
                        {**RUN_BODY, "workflow_run": {**RUN_BODY["workflow_run"], "id": n}},
                        ident=f"d-{n}",
                    )
                    for n in range(20)
                )
            )
            child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert [answer.status_code for answer in answers] == [202] * 20
    assert {row.state for row in await rows(database_url, INBOX)} == {"new"}
    async with asking(settings(database_url)) as http:
        await taken_in(http, 20)
    assert len(await rows(database_url, RUN)) == 20


async def test_more_than_the_database_takes_is_503_with_retry_after(tmp_path):
    async with alone(tmp_path, max_waiting=10) as http:
        answer = await post(http)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_hooks_stand_outside_the_description_of_the_api() -> None:
    app = FastAPI()
    app.include_router(hooks.routes(None, []))  # type: ignore[arg-type]
    assert list(app.openapi()["paths"]) == ["/api/v1/pipelines"]


async def test_secret_may_end_the_address_where_senders_can_set_no_header_and_is_told_nowhere(
    tmp_path, caplog, capfd
):
    secret = "p4th-s3cret-canary"
    url = fresh(tmp_path)
    made = [hook(name, secrets=("old", secret)) for name in PROVIDERS]
    build = {
        "number": 4,
        "phase": "STARTED",
        "timestamp": 1764071100000,
        "full_url": "https://ci.example.org/job/a/4/",
    }
    build["scm"] = {"url": "git@github.com:acme/cart.git", "commit": SHA}
    body = json.dumps({"name": "a", "url": "job/a/", "build": build}).encode()
    caplog.set_level("WARNING", "httpx2")  # whoever asks knows what they ask for
    async with asking(settings(url, *made)) as http:
        told = ""
        for provider in PROVIDERS:
            good = await http.post(f"/hooks/{provider}/my-{provider}/{secret}", content=body)
            assert good.status_code == (202 if provider in ("jenkins", "tekton", "statuspage") else 404), (
                provider
            )
            for wrong in (
                secret[:-1],
                f"{secret}x",
                "p4th-s3cret-c\u00e4nary",
                f"{secret}/more",
                f"{secret}%00",
            ):
                bad = await http.post(f"/hooks/{provider}/my-{provider}/{wrong}", content=body)
                assert bad.status_code in (401, 404, 422), (provider, wrong)
                told += bad.text + str(bad.headers)
            told += good.text + str(good.headers)
        lines = await taken_in(http, 3)
        assert {line["provider"]: line["state"] for line in lines}["jenkins"] == "done"
        told += (await http.get("/api/v1/audit")).text + (await http.get("/metrics")).text
        told += (await http.get("/api/v1/inbox")).text
    logged = capfd.readouterr()
    ours = (record.getMessage() for record in caplog.records if record.name.startswith("shipboard"))
    told += "".join(ours) + logged.out + logged.err
    assert "s3cret" not in told
    assert "/hooks/jenkins/my-jenkins/\u2026" in told


def test_address_is_told_without_what_ends_it():
    for path, said in (
        ("/hooks/tekton/a/s3cret", "/hooks/tekton/a/\u2026"),
        ("//hooks//tekton//a//s3cret/x", "//hooks//tekton//a//\u2026"),
        ("/hooks/tekton/a/x\ny", "/hooks/tekton/a/\u2026"),
        ("/hooks/flagger/s3cret/east/x", "/hooks/flagger/\u2026"),
        ("/kiosk/s3cret", "/kiosk/\u2026"),
        ("/hooks/tekton/a", "/hooks/tekton/a"),
        ("/api/v1/board", "/api/v1/board"),
    ):
        assert without_secret(path) == said
