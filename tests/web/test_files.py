"""Static files: kept for ever by hashed name, revalidated by tag otherwise, and nothing outside their
directory."""

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from app.web import errors, files
from app.web.sheets import sheet

pytestmark = pytest.mark.anyio


@pytest.fixture
def http(tmp_path) -> AsyncClient:
    (tmp_path / "static/vendor").mkdir(parents=True)
    (tmp_path / "static/vendor/htmx.0123456789ab.js").write_text("1")
    (tmp_path / "static/app.css").write_text("a{}")
    (tmp_path / "secret").write_text("secret")
    app = FastAPI(openapi_url=None)
    errors.install(app)
    files.install(app, tmp_path / "static")
    return AsyncClient(transport=ASGITransport(app), base_url="http://localhost")


async def test_file_with_its_hash_in_the_name_is_kept_for_ever(http):
    answer = await http.get("/static/vendor/htmx.0123456789ab.js")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    gone = await http.get("/static/vendor/htmx.ffffffffffff.js")
    assert gone.status_code == 404
    assert gone.headers["cache-control"] == "no-store"


async def test_the_sheet_of_all_pages_is_there_whatever_version_asks_and_kept_by_its_own_name(http, tmp_path):
    (tmp_path / "static/css").mkdir()
    for name in ("base", "tokens"):
        (tmp_path / f"static/css/{name}.css").write_text(f"{name}{{}}")
    files.install(app := FastAPI(openapi_url=None), tmp_path / "static")
    here = AsyncClient(transport=ASGITransport(app), base_url="http://localhost")
    own = sheet(tmp_path / "static").name
    answer, other = await here.get(f"/static/{own}"), await here.get("/static/css/shipboard.ffffffffffff.css")
    assert answer.text == other.text == "tokens{}base{}"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert other.headers["cache-control"] == "no-cache"
    assert (await here.post(f"/static/{own}")).status_code == 405


async def test_file_without_a_hash_is_asked_for_again_and_not_sent_again(http):
    first = await http.get("/static/app.css")
    assert first.headers["cache-control"] == "no-cache"
    again = await http.get("/static/app.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("parts", [["0-"], ["0-0"] * 1000, ["1-0"] * 1000, [f"{n}-" for n in range(1000)]])
async def test_thousand_ranges_cost_no_more_than_the_file(http, parts):
    """SR-48 (the kind of CVE-2025-62727)."""
    answer = await http.get("/static/app.css", headers={"range": "bytes=" + ",".join(parts)})
    assert answer.status_code in (200, 206, 400, 416)
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "path", ["/static/../secret", "/static/%2e%2e/secret", "/static/..%2fsecret", "/static//etc/passwd"]
)
async def test_file_outside_is_not_there(http, path):
    answer = await http.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text.replace(path, "")


async def test_robots_are_sent_away(http):
    assert (await http.get("/robots.txt")).text == "User-agent: *\nDisallow: /\n"


async def test_text_is_packed_for_who_takes_it_under_a_tag_of_its_own(http):
    plain = await http.get("/static/app.css", headers={"accept-encoding": "identity"})
    packed = await http.get("/static/app.css", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.headers["cache-control"] == "no-cache"
    assert packed.content == plain.content
    tag = packed.headers["etag"]
    assert tag != plain.headers["etag"]
    again = await http.get("/static/app.css", headers={"accept-encoding": "gzip", "if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    part = await http.get("/static/app.css", headers={"accept-encoding": "gzip", "range": "bytes=0-1"})
    assert (part.status_code, part.content) == (206, b"a{")
    assert "content-encoding" not in part.headers


async def test_packed_text_follows_the_file(http, tmp_path):
    await http.get("/static/app.css")
    (tmp_path / "static/app.css").write_text("b{color:red}")
    assert (await http.get("/static/app.css")).text == "b{color:red}"
