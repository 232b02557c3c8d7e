"""Errors: one shape for machines, a page for people, and nothing of the inside for either."""

import json
from typing import Annotated

import pytest
from fastapi import FastAPI, Query
from httpx2 import ASGITransport, AsyncClient, Response

from app.web import errors, logs

pytestmark = pytest.mark.anyio
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def application() -> FastAPI:
    app = FastAPI(openapi_url=None)
    errors.install(app)
    app.add_middleware(errors.Unexpected)
    app.add_middleware(logs.RequestLog)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is secret")

    @app.get("/refused")
    async def refused() -> None:
        raise errors.Refusal(409, "Changed", "It is <b>not</b> what you saw.", blocked_by=["freeze"])

    @app.get("/api/v1/refused")
    async def api() -> None:
        raise errors.Refusal(409, "Changed", "It is not what you saw.", headers={"retry-after": "5"})

    @app.get("/number")
    async def number(n: Annotated[int, Query()]) -> int:
        return n

    return app


async def ask(
    path: str, app: FastAPI | None = None, method: str = "GET", headers: dict[str, str] | None = None
) -> Response:
    async with AsyncClient(
        transport=ASGITransport(app or application()), base_url="http://localhost"
    ) as http:
        return await http.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nothing", 404, "Not Found"),
        ("POST", "/refused", 405, "Method Not Allowed"),
        ("GET", "/number?n=x", 422, "Invalid request"),
        ("GET", "/refused", 409, "Changed"),
        ("GET", "/broken", 500, "Internal Server Error"),
    ],
)
async def test_problem_is_the_shape_of_every_error(method, path, status, title):
    answer = await ask(path, method=method)
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert body["title"] == title
    assert body["detail"].endswith((".", ";"))
    assert body["request_id"] == answer.headers["x-request-id"]


async def test_problem_for_a_method_says_which_are_allowed():
    assert "GET" in (await ask("/refused", method="POST")).headers["allow"]


async def test_problem_has_its_members_and_headers():
    assert (await ask("/refused")).json()["blocked_by"] == ["freeze"]
    assert (await ask("/api/v1/refused")).headers["retry-after"] == "5"


async def test_problem_of_bad_values_names_each_without_repeating_it():
    body = (await ask("/number?n=<script>")).json()
    assert body["errors"][0]["where"] == "query.n"
    assert "script" not in json.dumps(body)


async def test_unexpected_error_tells_nothing_and_the_log_has_it(capsys):
    logs.configure("json")
    answer = await ask("/broken")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    failed = next(line for line in lines if line["event"] == "request failed")
    assert "the password is secret" in failed["exception"]
    assert failed["request_id"] == answer.json()["request_id"]


@pytest.mark.parametrize("path", ["/nothing", "/refused", "/broken"])
async def test_page_is_what_a_browser_gets(path):
    answer = await ask(path, headers=BROWSER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-request-id"] in answer.text
    assert "<b>" not in answer.text
    assert "style" not in answer.text


async def test_page_is_not_what_the_api_or_a_stream_gets():
    for path, accept in (
        ("/api/v1/refused", BROWSER["accept"]),
        ("/refused", "text/event-stream, text/html"),
    ):
        answer = await ask(path, headers={"accept": accept})
        assert answer.headers["content-type"] == "application/problem+json"


async def test_page_comes_from_the_template_and_survives_its_failure():
    app = application()
    app.state.error_page = lambda shown, scope: f"<h1>{shown['status']}</h1>"
    assert (await ask("/nothing", app, headers=BROWSER)).text == "<h1>404</h1>"
    app.state.error_page = lambda shown, scope: shown["missing"]
    answer = await ask("/nothing", app, headers=BROWSER)
    assert answer.status_code == 404
    assert "Not Found" in answer.text
