"""Pages on paper: nothing to press, nothing that covers or is cut, ink on white."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import preview

SHOWN = ("busy", "canary", "sources")


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_prints_whole_and_without_what_is_pressed(page: Page, name: str) -> None:
    server = preview.serve({name: preview.PICTURES[name][0]()})
    try:
        page.set_viewport_size({"width": 794, "height": 1123})
        page.goto(f"http://127.0.0.1:{server.server_port}/{name}.html")
        page.emulate_media(media="print")
        for gone in (".mast nav", ".theme", ".filters", ".stale", "#acts"):
            for found in page.locator(gone).all():
                expect(found).to_be_hidden()
        expect(page.locator("h1").first).to_be_visible()
        expect(page.locator(".foot")).to_have_css("position", "static")
        expect(page.locator("html")).to_have_css("color-scheme", "light")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    finally:
        server.shutdown()
        server.server_close()
