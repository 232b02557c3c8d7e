"""Whether a page can be used by everybody: as axe-core judges it, and without scrolling sideways."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page


def usable(page: Page) -> None:
    """Fail for whatever axe-core finds wrong with `page`, and where it is wider than its window. Its context has to
    pass the page's own policy by, for axe-core to get in."""
    found = Axe().run(page).response
    assert len(found["passes"]) > 10, "axe-core judged nothing"
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
