"""The page of a workload in a real browser, on a real site: a pod square changes by itself, keys lead there and
back, and a phone shows it without scrolling sideways."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.domain.facts import Fact
from app.domain.rollout import Phase, Pod, PodCondition
from tests.web.site import Site, look, site, sources

PATH = "/workloads/east/production/Deployment/cart"


class Running:
    """A site on a thread of its own, since the browser's driver keeps this one's event loop."""

    def __init__(self, directory: Path, facts: Sequence[Fact]) -> None:
        self._loop = asyncio.new_event_loop()
        self._over, self._ready = asyncio.Event(), threading.Event()
        self._directory, self._facts = directory, facts
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True
        )
        self._thread.start()
        assert self._ready.wait(20)

    async def _run(self) -> None:
        async with site(self._directory, self._facts) as here:
            self.here: Site = here
            self._ready.set()
            await self._over.wait()

    def tell(self, *facts: Fact) -> None:
        asyncio.run_coroutine_threadsafe(self.here.ingest(facts), self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(15)


def rolling(*conditions: PodCondition) -> Fact:
    pods = tuple(Pod(f"cart-{i}", "2.0.0", True, how) for i, how in enumerate(conditions))
    return look("cart", version="2.0.0", phase=Phase.PROGRESSING, message="It rolls", pods=pods)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    started = Running(tmp_path, [*sources(), look("cart"), rolling(PodCondition.STARTING)])
    yield started
    started.close()


def test_a_square_changes_while_the_page_is_watched(page: Page, running: Running) -> None:
    page.goto(running.here.url + PATH)
    expect(page.locator("#revisions .pods i.starting")).to_have_count(1)
    page.evaluate("document.getElementById('p-cart-0').same = true")
    running.tell(rolling(PodCondition.READY, PodCondition.FAILING))
    expect(page.locator("#revisions .pods i.ready")).to_have_count(1)
    expect(page.locator("#revisions .pods i.failing")).to_have_count(1)
    expect(page.locator("#rows > tr td.of")).to_have_text(["cart-1", "cart-0"])
    assert page.evaluate("document.getElementById('p-cart-0').same")


def test_keys_lead_from_the_board_to_the_workload_and_back(page: Page, running: Running) -> None:
    page.goto(running.here.url + "/")
    page.locator("#rows a.service").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(running.here.url + PATH)
    expect(page.locator("h1")).to_have_text("cart Production")
    page.keyboard.press("Tab")
    for _ in range(12):
        if page.evaluate("document.activeElement.textContent") == "Board" and page.evaluate(
            "document.activeElement.closest('.crumb') !== null"
        ):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(running.here.url + "/")


def test_a_phone_shows_it_all_without_going_sideways(page: Page, running: Running) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(running.here.url + PATH)
    expect(page.locator(".podlist")).to_be_visible()
    expect(page.locator("#history")).to_contain_text("2.0.0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
