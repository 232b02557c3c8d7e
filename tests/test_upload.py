"""`shipboard upload` gives a board reports, from what CI says of itself, packed, and once however often it tries."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from app.cli.report import NotReported
from app.cli.upload import about, content_of, send, summary

pytestmark = pytest.mark.anyio
SHA = "e" * 40
LINE: dict[str, Any] = {
    "kind": "junit",
    "tests": {
        "passed": 3, "failed": 1, "errors": 1, "skipped": 0, "flaky": 1, "new": 1, "compared": SHA,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "environ",
    [
        {
            "GITHUB_REPOSITORY": "acme/cart",
            "GITHUB_SHA": SHA,
            "GITHUB_JOB": "unit",
            "GITHUB_REF_NAME": "main",
        },
        {
            "CI_PROJECT_URL": "https://github.com/acme/cart",
            "CI_COMMIT_SHA": SHA,
            "CI_JOB_NAME": "unit",
            "CI_COMMIT_BRANCH": "main",
        },
    ],
)
def test_what_reports_are_of_is_taken_from_ci_unless_told(environ):
    want = {"repo": "https://github.com/acme/cart", "sha": SHA, "job": "unit", "branch": "main"}
    assert about({"repo": "", "digest": ""}, environ) == want
    assert about({"job": "e2e", "digest": "sha256:1"}, environ) == want | {"job": "e2e", "digest": "sha256:1"}


async def test_upload_is_packed_and_tried_again_under_the_same_key(free_tcp_port):
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path_qs, request.headers["idempotency-key"], await request.read()))
        if len(seen) == 1:
            return web.Response(status=503)
        return web.json_response({"reports": [LINE]}, status=201)

    app = web.Application()
    app.router.add_post("/api/v1/ingest/{kind}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", free_tcp_port).start()
        url, body = f"http://127.0.0.1:{free_tcp_port}", b"<testsuite name='cart'/>"
        line = await asyncio.to_thread(send, url, "t", "junit", {"sha": SHA}, body, pause=0)
    finally:
        await runner.cleanup()
    assert line == LINE
    assert [(path, content) for path, _, content in seen] == [(f"/api/v1/ingest/junit?sha={SHA}", body)] * 2
    assert len({key for _, key, _ in seen}) == 1
    assert summary(line) == "junit: 3 passed, 2 failed, 1 of them new, 0 skipped, 1 flaky"


async def test_reason_of_a_refusal_is_shown(free_tcp_port):
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"detail": "It is empty."}, status=422)

    app = web.Application()
    app.router.add_post("/api/v1/ingest/{kind}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", free_tcp_port).start()
        with pytest.raises(NotReported, match="It is empty"):
            await asyncio.to_thread(
                send, f"http://127.0.0.1:{free_tcp_port}", "t", "junit", {}, b"x", pause=0
            )
    finally:
        await runner.cleanup()


def test_report_that_is_not_there_or_board_that_is_none_is_said(tmp_path):
    with pytest.raises(NotReported, match="cannot be read"):
        content_of(tmp_path / "none.xml")
    with pytest.raises(NotReported, match="neither http"):
        send("ftp://x", "t", "junit", {}, b"x")
