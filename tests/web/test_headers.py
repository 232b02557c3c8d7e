"""Headers: the policy is on every answer there can be; only known hosts are answered."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from starlette.responses import Response, StreamingResponse

from app.web import errors, files, headers, logs

pytestmark = pytest.mark.anyio


def client(hosts=headers.LOOPBACK, nearby=False, https=False) -> AsyncClient:
    app = FastAPI(openapi_url=None)
    errors.install(app)
    files.install(app, Path(__file__).parent)
    app.add_middleware(errors.Unexpected)
    app.add_middleware(headers.KnownHosts, hosts=hosts, refuse=errors.unknown_host, nearby=nearby)
    app.add_middleware(headers.SecurityHeaders, https=https)
    app.add_middleware(logs.RequestLog)

    @app.get("/fine")
    async def fine() -> Response:
        return Response("fine", headers={"Content-Security-Policy": "default-src *"})

    @app.get("/broken")
    async def broken() -> Response:
        raise RuntimeError("secret")

    @app.get("/stream")
    async def stream() -> Response:
        async def parts():
            yield b"data: 1\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")

    return AsyncClient(transport=ASGITransport(app), base_url="http://localhost:8000")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fine", 200),
        ("GET", "/stream", 200),
        ("GET", "/broken", 500),
        ("GET", "/nothing", 404),
        ("POST", "/fine", 405),
        ("DELETE", "/fine", 405),
        ("OPTIONS", "/fine", 405),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/static/../pyproject.toml", 404),
        ("GET", "/robots.txt", 200),
        ("GET", "/favicon.ico", 308),
    ],
)
async def test_headers_are_on_every_answer(method, path, status):
    async with client() as http:
        answer = await http.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get_list("content-security-policy") == [headers.CSP]
    assert "unsafe" not in headers.CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert len(answer.headers["x-request-id"]) == 16
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("https", [True, False])
async def test_headers_ask_for_https_only_where_people_come_by_it(https):
    async with client(https=https) as http:
        answer = await http.get("/fine")
    assert ("strict-transport-security" in answer.headers) is https


@pytest.mark.parametrize(
    ("host", "nearby", "status"),
    [
        ("localhost:8000", False, 200),
        ("LOCALHOST", False, 200),
        ("localhost.", False, 200),
        ("127.0.0.1", False, 200),
        ("[::1]:8000", False, 200),
        ("evil.example", False, 421),
        ("localhost.evil.example:8000", False, 421),
        ("localhost@evil.example", False, 421),
        ("127.0.0.1.nip.example", False, 421),
        ("10.0.0.7:8000", False, 421),
        ("buildbox:8000", False, 421),
        ("", False, 421),
        ("10.0.0.7:8000", True, 200),
        ("[fd00::7]:8000", True, 200),
        ("buildbox:8000", True, 200),
        ("evil.example", True, 421),
        ("", True, 421),
    ],
)
async def test_hosts_other_than_ours_are_refused(host, nearby, status):
    async with client(nearby=nearby) as http:
        answer = await http.get("/fine", headers={"host": host})
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == headers.CSP
    if status == 421:
        assert answer.headers["content-type"] == "application/problem+json"
        assert host == "" or host not in answer.text.replace("localhost or 127.0.0.1", "")


async def test_hosts_two_in_one_request_are_refused():
    async with client() as http:
        answer = await http.get("/fine", headers=[("host", "localhost"), ("host", "evil.example")])
    assert answer.status_code == 421


async def test_hosts_forwarded_ones_change_nothing():
    async with client() as http:
        answer = await http.get("/favicon.ico", headers={"x-forwarded-host": "evil.example"})
    assert answer.headers["location"] == "/static/favicon.svg"
