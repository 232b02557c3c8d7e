"""Every page of the demo that no other test shows to axe-core, found by following links as a visitor does; and still
where somebody wants no motion."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.test_gates import DESK, PHONE, board, signed_in, usable

__all__ = ["board"]
FOUND = {  # what an address looks like: where a link to it is
    r"/audit$": "/",
    r"/pipelines/.+": "/pipelines",
    r"/commits/.+": "/pipelines",
    r"/artifacts/.+": "/pipelines",
    r"/workloads/.+": "/",
    r"/gates/.+": "/gates",
    r"/\?at=.+": "/",
}


def linked(page: Page, board: str) -> list[str]:
    """One address of each kind, and those without a link."""
    found = []
    for shape, at in FOUND.items():
        page.goto(board + at)
        hrefs = page.locator("a[href^='/']").evaluate_all(
            "(links) => links.map((a) => a.getAttribute('href'))"
        )
        one = next((href for href in hrefs if re.match(shape, href)), None)
        assert one, f"no link to {shape} on {at}: {sorted(set(hrefs))[:40]}"
        found.append(one)
    return [*found, "/account", "/wall?inches=55&distance=5", "/nowhere", "/pipelines?service=nothing"]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_every_page_can_be_used_by_everybody(
    browser: Browser, board: str, size: dict[str, int], theme: str
) -> None:
    page = signed_in(browser, board, size, "ada", theme)
    for path in linked(page, board):
        page.goto(board + path)
        expect(page.locator("main")).to_be_visible()
        usable(page)
    page.context.close()
