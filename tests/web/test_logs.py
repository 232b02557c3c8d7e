"""Logs: every line is one object, whatever is logged."""

import io
import json
import logging

import pytest
import structlog
from httpx2 import ASGITransport, AsyncClient

from app.web import logs

HOSTILE = [
    'a\n{"event": "forged", "level": "info"}',
    "\x1b[2J\x1b[31mred",
    "\u202egnp.exe\u2066",
    "\x00\r\n\x85\u2028\u2029",
    "\ud800 lone",
    "x" * 100_000,
    "%s %d {0} {}",
]


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().split("\n") if line]


@pytest.mark.parametrize("text", HOSTILE)
def test_json_line_stays_one_object_whatever_is_logged(text):
    stream = io.StringIO()
    logs.configure("json", stream)
    structlog.get_logger("a").info(text, field=text, other={text: [text]})
    logging.getLogger("uvicorn.error").warning("%s", text)
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger("a").exception("failed")
    written = lines(stream)
    assert [line["level"] for line in written] == ["info", "warning", "error"]
    assert stream.getvalue().isascii()
    assert "\x1b" not in stream.getvalue()
    assert all(len(line) < 20_000 for line in stream.getvalue().split("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_line_cannot_be_forged_or_steer_a_terminal(text):
    stream = io.StringIO()
    logs.configure("text", stream)
    structlog.get_logger("a").info("seen", field=text)
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert written[:-1].isprintable()


def test_text_stack_is_indented_so_that_no_line_of_it_looks_like_an_entry():
    stream = io.StringIO()
    logs.configure("text", stream)
    try:
        raise ValueError("first\n12:00:00.000 info    forged")
    except ValueError:
        structlog.get_logger("a").exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert len(rest) > 3


@pytest.mark.anyio
async def test_request_line_has_path_and_id_but_no_query():
    stream = io.StringIO()
    logs.configure("json", stream)

    async def answer(scope, receive, send):
        structlog.get_logger("inside").info("working")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"four"})

    async with AsyncClient(transport=ASGITransport(logs.RequestLog(answer)), base_url="http://x") as http:
        given = await http.get("/a%0Ab?token=secret")
        await http.get("/healthz")
    ours = [line for line in lines(stream) if line["logger"] in {"shipboard.request", "inside"}]
    working, request, _working = ours
    assert request | {"ms": 0, "timestamp": "", "client": ""} == {
        "event": "request",
        "level": "info",
        "logger": "shipboard.request",
        "timestamp": "",
        "request_id": given.headers["x-request-id"],
        "method": "GET",
        "path": "/a\\nb",
        "status": 200,
        "bytes": 4,
        "ms": 0,
        "client": "",
    }
    assert working["request_id"] == request["request_id"]
    assert "secret" not in repr(ours)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/HOOKS/tekton/ci/s3cret", "/HOOKS/tekton/ci/…"),
        ("/board/hooks/tekton/ci/s3cret", "/board/hooks/tekton/ci/…"),
        ("/board/Kiosk/s3cret", "/board/Kiosk/…"),
        ("/hooks/github/ci", "/hooks/github/ci"),
        ("/workloads/east/hooks/Deployment/cart/commands", "/workloads/east/hooks/Deployment/cart/commands"),
        ("/api/v1/workloads/a/kiosk/Rollout/b", "/api/v1/workloads/a/kiosk/Rollout/b"),
    ],
)
def test_secret_of_an_address_that_is_wrong_is_not_logged(path, said):
    """Whoever sends to it got the address wrong, not the secret; a namespace may be called like a part of it."""
    assert logs.without_secret(path) == said
