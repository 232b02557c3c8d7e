"""Pages of CI in a real browser, on a real site: usable by everybody, never scrolling sideways, and a run that fails
turns its row red by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ci import made, pushed, ran, reported, sha_of
from tests.e2e.test_workload_live import Running
from tests.e2e.usable import usable
from tests.web.site import look, now, sources

SHA = sha_of("cart 1")
PATHS = (
    "/pipelines",
    "/pipelines?service=cart",
    f"/commits/{SHA}",
    "/timeline",
    "/dora",
    "/dora?figure=frequency",
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    at = now() - timedelta(hours=2)
    slow = {"lint": 20.0, "unit": 200.0, "integration": 480.0}
    facts = [
        *sources(),
        look("cart", "staging", "1"),
        look("cart", "production", "1"),
        pushed("cart", "1", at),
        *ran("cart", "1", at, slow),
        made("cart", "1", at),
        *ran("rates", "1", at, fails="unit"),
        *(reported("cart", str(n), at - timedelta(days=n)) for n in range(2, 20)),
    ]
    started = Running(tmp_path_factory.mktemp("site"), facts)
    yield started
    started.close()


@pytest.mark.parametrize("width", [390, 1920])
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", PATHS)
def test_page_can_be_used_by_everybody(
    browser: Browser, running: Running, path: str, theme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page.goto(f"{running.here.url}{path}")
    usable(page)
    context.close()


def test_run_that_fails_turns_red_by_itself_and_leads_to_its_commit(page: Page, running: Running) -> None:
    page.goto(f"{running.here.url}/pipelines")
    row = page.locator("#s-cart")
    expect(row.locator(".total[data-over]")).to_have_text("11:40")
    expect(row).to_contain_text("Over at least since")
    running.tell(pushed("cart", "2", now()), *ran("cart", "2", now(), fails="unit"))
    expect(row.locator("[data-phase=failed].state")).to_have_text("Unit failed")
    row.get_by_role("link", name=sha_of("cart 2")[:7]).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(sha_of("cart 2")[:7])
    expect(page.locator("#sentence .sentence")).to_contain_text("Its road stops at the pipeline")
