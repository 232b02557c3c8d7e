"""Rendering: everything escapes, nothing is undefined, links are harmless or not there."""

from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import UndefinedError

from app.web.render import Renderer, aged, safe_url

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", ["a.html", "a.txt", "a.svg", "a", "a.js", "a.html.j2"])
def test_renderer_escapes_whatever_a_template_is_called(tmp_path, name):
    (tmp_path / "ci.html").write_text("")
    (tmp_path / "far.html").write_text("")
    (tmp_path / "ui.html").write_text("")
    (tmp_path / name).write_text("{{ x }}{% block b %}{{ x }}{% endblock %}")
    render = Renderer(tmp_path, tmp_path)
    assert render.page(name, {"x": "<&'\">"}) == "&lt;&amp;&#39;&#34;&gt;" * 2
    assert render.region(name, "b", {"x": "<"}) == "&lt;"
    with pytest.raises(UndefinedError):
        render.page(name, {})


def test_renderer_puts_texts_in_the_place_of_blocks(tmp_path):
    (tmp_path / "ci.html").write_text("")
    (tmp_path / "far.html").write_text("")
    (tmp_path / "ui.html").write_text("{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}")
    (tmp_path / "base.html").write_text("[{% block a %}{% endblock %}]")
    template = "{% extends 'base.html' %}{% block a %}{% for x in xs %}{% block x scoped %}{{ ui.bold(x) }}"
    (tmp_path / "page.html").write_text(template + "{% endblock %}{% endfor %}{% endblock %}")
    render = Renderer(tmp_path, tmp_path)
    assert render.page("page.html", {"xs": "<y"}) == "[<b>&lt;</b><b>y</b>]"
    assert render.page("page.html", {"xs": "ab"}, {"a": "<i>"}) == "[<i>]"
    assert render.region("page.html", "a", {"xs": "ab"}, {"x": "-"}) == "--"
    assert render.region("page.html", "x", {"x": "z"}) == "<b>z</b>"


def test_aged_tells_ages_as_of_now():
    drawn = '<time datetime="2026-10-01T11:00:00Z" data-ago class="age">3 s</time>'
    assert aged(drawn, NOW) == drawn.replace("3 s", "1 h")
    fine = '<time datetime="2026-10-01T10:55:00Z" data-ago=fine class="age">3 s</time>'
    assert aged(fine, NOW) == fine.replace("3 s", "1 h 05 min")
    timer = '<time class="timer" role="timer" datetime="2026-10-01T11:00:00Z" data-timer>0:03</time>'
    assert aged(timer, NOW + timedelta(seconds=5)) == timer.replace("0:03", "1:00:05")
    clock = '<time class="clock" datetime="2026-10-01T11:00:00Z" data-clock>11:00:00 UTC</time>'
    assert aged(clock, NOW) == clock


@pytest.mark.parametrize(
    "url",
    [
        "https://ci.example/run/7?x=1&y=2#z",
        "http://10.0.0.1:8080/",
        "https://[::1]:8443/a",
        "HTTPS://Example.test/a%20b",
    ],
)
def test_safe_url_keeps_links(url):
    assert safe_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "//evil.example/",
        "/path",
        "https:/evil.example",
        "https:evil.example",
        "https://user@evil.example/",
        "https://good.example@evil.example/",
        "https://good.example\\@evil.example/",
        "https://раураl.example/",
        "https://evil.example/\r\nSet-Cookie: a=b",
        "https://evil.example:port/",
        "https://",
        "https://-/",
        "https://a b/",
        "ftp://a.example/",
        "https://[::1/",
    ],
)
def test_safe_url_refuses_everything_else(url):
    assert safe_url(url) == ""
