"""The assets set-up puts into static/vendor work in a browser under our Content-Security-Policy."""

import json

from playwright.sync_api import Page, Route, expect

from tests import machine

VENDOR = machine.ROOT / "static/vendor"
SITE = "http://assets.test/"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'"
PAGE = """<!doctype html><title>assets</title>
<meta name="htmx-config" content='{{"extensions":"sse"}}'>
<link rel=stylesheet href="{css}"><link rel=stylesheet href="own.css">
<script src="{htmx}" defer></script>
<p>Łódź</p><div hx-sse:connect="stream">waiting</div>"""
EVENT = "data: <hx-partial hx-target='div' hx-swap='innerMorph'>live</hx-partial>\n\n"


def _answer(route: Route) -> None:
    path = route.request.url.removeprefix(SITE)
    if path == "":
        names = json.loads((VENDOR / "manifest.json").read_text())
        page = PAGE.format(css=names["geist.css"], htmx=names["htmx.js"])
        route.fulfill(
            headers={"Content-Security-Policy": POLICY}, content_type="text/html; charset=utf-8", body=page
        )
    elif path == "stream":
        route.fulfill(content_type="text/event-stream", body=EVENT)
    elif path == "own.css":
        route.fulfill(content_type="text/css", body="p { font-family: 'Geist Variable' }")
    else:
        route.fulfill(path=VENDOR / path)


def test_assets_stream_and_draw_without_breaking_the_policy(page: Page) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.route(f"{SITE}**", _answer)

    page.goto(SITE)

    expect(page.locator("div")).to_have_text("live")
    fonts = page.evaluate("document.fonts.ready.then(fonts => Array.from(fonts, font => font.status))")
    assert fonts == ["loaded", "loaded"]
    assert complaints == []
