"""What holds of every answer and every route, whoever made it."""

import inspect
import re
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts
from sqlmodel import SQLModel

from app.web import headers
from app.web.auth import declared
from app.web.render import Renderer, safe_url

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]


async def test_headers_are_on_every_answer_of_every_route(board):
    """SR-21, SR-26: pages, files, refusals, redirects and errors; no CORS; told apart by HX-Request."""
    cookie = await board.be("admin")
    routes = sorted({(path, min(methods)) for path, methods, _ in declared(board.app)})
    for path, method in [*routes, ("/nothing", "GET"), ("/static/nothing", "GET")]:
        url = re.sub(r"\{\w+(:\w+)?\}", "x", path)
        for sent in ({}, {"cookie": cookie}, {"origin": "https://evil.example"}, {"host": "evil.example"}):
            answer = await board.ask(method, url, headers=sent)
            where = (method, url, answer.status_code)
            assert answer.headers.get_list("content-security-policy") == [headers.CSP], where
            assert answer.headers["x-content-type-options"] == "nosniff", where
            assert answer.headers["cross-origin-opener-policy"] == "same-origin", where
            assert "permissions-policy" in answer.headers, where
            assert not [name for name in answer.headers if name.startswith("access-control-")], where
            assert answer.status_code < 500 or url == "/ready", where
    for path in ("/", "/sources", "/api/v1/board"):
        assert "HX-Request" in (await board.ask("GET", path, cookie)).headers["vary"]


def test_policy_allows_nothing_unsafe_and_no_frames():
    """SR-21, SR-26."""
    found = dict(part.strip().split(" ", 1) for part in headers.CSP.split(";"))
    assert found["default-src"] == "'none'"
    assert {found[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
    assert (found["base-uri"], found["frame-ancestors"]) == ("'none'", "'none'")
    assert "unsafe" not in headers.CSP
    assert "*" not in headers.CSP


async def test_no_table_is_ever_read_from_or_written_to_a_request(board):
    """SR-45: table classes do not validate, so none is in a signature."""
    tables = {mapper.class_ for mapper in SQLModel._sa_registry.mappers}
    assert len(tables) > 8
    for route in iter_route_contexts(board.app.routes):
        endpoint = getattr(route.original_route, "endpoint", None)
        if endpoint is None:
            continue
        signature = inspect.signature(endpoint)
        named = {str(p.annotation) for p in signature.parameters.values()} | {
            str(signature.return_annotation)
        }
        named.add(str(getattr(route.original_route, "response_model", "")))
        assert not [t for t in tables if any(re.search(rf"tables\.{t.__name__}\b", n) for n in named)]


BANNED = re.compile(r"\|\s*safe\b|\bMarkup\(|\.from_string\(|autoescape\s+false")
IN_TEMPLATES = re.compile(r"\sstyle=|\son[a-z]+=|javascript:|<script(?! src)|hx-on|hx-vals|hx-eval")


def test_nothing_switches_escaping_off():
    """SR-24: in no template and no module; and the rule finds what it looks for."""
    templates = [*(ROOT / "templates").glob("*")]
    modules = [*(ROOT / "app").rglob("*.py")]
    assert len(templates) > 8 < len(modules)
    found = [f"{f.name}: {hit[0]}" for f in (*templates, *modules) for hit in BANNED.finditer(f.read_text())]
    # A name that is escaped and then may break; a glyph and an age, drawn a thousand times a board: figures of ours.
    assert sorted(found) == ["formats.py: Markup("] + ["render.py: Markup("] * 2
    assert [f"{f}: {hit[0]}" for f in templates for hit in IN_TEMPLATES.finditer(f.read_text())] == []
    for bad in (
        "{{ x|safe }}",
        "{{ x | safe }}",
        "Markup(x)",
        "env.from_string(x)",
        "{% autoescape false %}",
    ):
        assert BANNED.search(bad)
    for bad in ('<a onclick="x">', "<p style=x>", "<script>x", '<a href="javascript:x">'):
        assert IN_TEMPLATES.search(bad)


@pytest.mark.parametrize("name", ["x.html", "x.txt", "x.svg", "x", "x.html.j2", "X.XML"])
def test_every_template_escapes_whatever_it_is_called(tmp_path, name):
    """SR-24: not by extension."""
    for file in (ROOT / "templates").glob("*"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / name).write_text("{{ x }}")
    assert Renderer(tmp_path).page(name, {"x": "<b>\"'&"}) == "&lt;b&gt;&#34;&#39;&amp;"


_SCHEMES = (
    *("javascript", "vbscript", "data", "file", "blob", "filesystem", "about", "view-source"),
    *("ftp", "ws", "mailto", "tel", "intent", "chrome", "jar", "x"),
)
_FORMS = (
    *("{}:alert(1)", "{}://x.example/", " {}:x", "{}\t:x", "{}&colon;x"),
    *("\x01{}:x", "{}%3Ax", "//{}:x", "{}:\nx", "{}:/x"),
)
_ODD = (
    *("http://a@b.example", "https://user:pass@b.example/", "http://", "https:///x", "http:/x", "http:x"),
    *("//x.example", "/x", "x", "", " ", "http://x.example\\@evil.example", "http://x.example\x00"),
    *(
        "http://x.example/\n",
        "http://x ample/",
        "https://ex\u0430mple.com",
        "https://例え.example",
        "http://[::1",
    ),
    *("http://x.example:99999", "http://x.example:a", "http://-x.example", "http://.x", "http://x_y.example"),
    *("http://x.example\u202e/", "http:\\\\x.example", "h\u0442tp://x.example"),
)
_CASES = (str.lower, str.upper, str.title)
HOSTILE = [f.format(case(scheme)) for scheme in _SCHEMES for f in _FORMS for case in _CASES] + [*_ODD]


def test_hostile_addresses_become_none():
    """SR-23: at least 300."""
    assert len(set(HOSTILE)) >= 300
    assert [url for url in HOSTILE if safe_url(url)] == []


@pytest.mark.parametrize(
    "url", ["https://x.example", "http://x.example:8080/a?b=c#d", "https://[::1]:8443/x"]
)
def test_harmless_addresses_stay(url):
    """SR-23."""
    assert safe_url(url) == url
