"""Looking back in a browser: by the strip and by keyboard, and without scripts by links and forms; desk and phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from app.domain.instants import minute
from app.domain.rollout import Phase
from app.ingest import Ingest
from app.live import Live
from app.store.db import Database
from tests.e2e.boards import Running
from tests.e2e.usable import usable
from tests.web.site import look, now, sources

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1920, "height": 1080}
BEGAN = minute(now()) - timedelta(minutes=40)


def at(minutes: int) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


async def forty_minutes(database: Database) -> None:
    """2.0.0 of cart moves from minute 10 to 20; nobody looked from minute 25 to 30."""
    ingest = Ingest(database, Live())
    looks = {
        0: look("cart"),
        10: look("cart", version="2.0.0", phase=Phase.PROGRESSING, message="1 of 3 pods is new"),
        20: look("cart", version="2.0.0"),
    }
    for passed in (m for m in range(40) if not 25 < m < 30):
        facts = [replace(s, seen_at=at(passed), contact_at=at(passed)) for s in sources()]
        if found := looks.get(passed):
            facts.append(replace(found, seen_at=at(passed)))  # type: ignore[arg-type]
        await ingest(facts)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = Running(tmp_path_factory.mktemp("lookback"), forty_minutes)
    yield running.here.url
    running.stop()


def opened(browser: Browser, size: dict[str, int], **more: object) -> Page:
    return browser.new_context(viewport=size, **more).new_page()  # type: ignore[arg-type]


def shows(page: Page, minutes: int) -> None:
    expect(page.locator(".then b")).to_contain_text(f"{at(minutes):%H:%M}", timeout=15_000)


def test_the_strip_moves_by_keyboard_and_the_address_follows(board, browser):
    page = opened(browser, DESK)
    page.goto(f"{board}/?at={at(15):%Y-%m-%dT%H:%MZ}")
    expect(page.locator("main")).to_contain_text("One rollout is moving")
    page.locator("#minute").focus()
    page.keyboard.press("ArrowLeft")
    shows(page, 14)
    expect(page.locator("#minute")).to_be_focused()
    expect(page).to_have_url(f"{board}/?at={at(14):%Y-%m-%dT%H:%MZ}")
    page.get_by_title("The change after this one").click()
    shows(page, 20)
    expect(page.locator("main")).not_to_contain_text("One rollout is moving")
    page.get_by_title("The change before this one").click()
    shows(page, 10)
    page.go_back()
    shows(page, 20)
    page.locator("tbody .service").first.click()
    expect(page.locator("#acts")).to_contain_text("Nothing can be asked here")
    shows(page, 20)
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator(".scrub")).to_have_count(0)
    expect(page.locator("[data-stream]")).to_have_count(1)


def test_links_and_forms_do_without_scripts(board, browser):
    page = opened(browser, PHONE, java_script_enabled=False)
    page.goto(f"{board}/")
    page.get_by_role("link", name="Look back").click()
    page.get_by_title("One minute earlier").click()
    page.goto(f"{board}/?at={at(15):%Y-%m-%dT%H:%MZ}&environment=production")
    page.locator("#at").fill(f"{at(11):%Y-%m-%dT%H:%M}")
    page.locator(".steps-in-time button").click()
    assert "environment=production" in page.url
    shows(page, 11)
    page.goto(f"{board}/?at={at(27):%Y-%m-%dT%H:%MZ}")
    expect(page.locator(".unwatched")).to_contain_text("Nobody was looking between")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_past_page_is_usable_by_everybody(board, browser, size, theme):
    page = opened(browser, size, bypass_csp=True)
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page.goto(f"{board}/?at={at(27):%Y-%m-%dT%H:%MZ}")
    usable(page)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_whoever_was_away_reads_what_changed_and_dismisses_it(board, browser, size):
    page = opened(browser, size, bypass_csp=True)
    away = int((now() - timedelta(minutes=35)).timestamp())
    page.context.add_cookies([{"name": "looked", "value": f"0.{away}", "url": board}])
    page.goto(board)
    line = page.locator("#since summary")
    expect(line).to_contain_text("1 landed")
    line.click()
    usable(page)
    page.get_by_role("link", name="Dismiss").click()
    expect(page.locator("#since")).to_have_count(0)
    expect(page).to_have_url(f"{board}/")
    page.reload()
    expect(page.locator("#since")).to_have_count(0)
