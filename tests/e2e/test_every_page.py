"""Every page of the demo that no other test shows to axe-core, found by following links as a visitor does; and still
where somebody wants no motion."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.test_gates import DESK, PHONE, board, signed_in
from tests.e2e.usable import usable

__all__ = ["board"]
SHAPES = (
    "/audit$",
    "/pipelines/.",
    "/commits/.",
    "/workloads/.",
    "/gates/.",
    r"/\?at=.",
    "/artifacts/.",
    "/artifacts$",
)
OTHERS = (
    "/artifacts?package=log4j-core",
    "/account",
    "/wall?inches=55&distance=5",
    "/nowhere",
    "/pipelines?service=nothing",
)


def linked(page: Page, board: str) -> list[str]:
    """An address of each shape, found by following links."""
    found: dict[str, str] = {}
    ends = time.monotonic() + 120
    while found.keys() != set(SHAPES):
        assert time.monotonic() < ends, f"no link like {set(SHAPES) - found.keys()}"
        follow(page, board, found)
    return [*found.values(), *OTHERS]


def follow(page: Page, board: str, found: dict[str, str]) -> None:
    for start in ("/", "/pipelines", "/gates", "/commits/.", "/workloads/.", "/gates/."):
        page.goto(board + found.get(start, start))
        hrefs = page.locator("a[href^='/']").evaluate_all(
            "(links) => links.map((a) => a.getAttribute('href'))"
        )
        for shape in SHAPES:
            if shape not in found and (fits := [href for href in hrefs if re.match(shape, href)]):
                found[shape] = fits[0]


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
