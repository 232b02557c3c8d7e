"""Every page, in both themes and at both ends of the widths, as axe-core judges it; none scrolls sideways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e import preview
from tests.e2e.usable import usable

PAGES = (
    "busy",
    "odd",
    "sources",
    "nothing",
    "e404",
    "twelve",
    "canary",
    "stuck",
    "rest",
    "pods",
    "patterns",
    "wall-failing",
    "wall-calm",
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = preview.serve({name: preview.PICTURES[name][0]() for name in PAGES})
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width", [390, 1920])
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_used_by_everybody(
    browser: Browser, address: str, name: str, theme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page.goto(f"{address}/{name}.html")
    usable(page)
    context.close()
