"""A gate in a browser, on a phone and on a desk, in both themes: read it, say why, decide, and see it decided."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.keys import press, tab_to
from tests.e2e.usable import usable
from tests.processes import free_port, shipboard

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1920, "height": 1080}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo, once something waits for a decision."""
    port = free_port()
    with shipboard(Path(tmp_path_factory.mktemp("demo")), "demo", "--port", str(port)):
        url = f"http://127.0.0.1:{port}"
        ends = time.monotonic() + 180
        while len(waiting(url)) < 3:
            assert time.monotonic() < ends, "no gate opened"
            time.sleep(0.2)
        yield url


def waiting(url: str, missing: str = "") -> list[str]:
    """Services whose gates are open; those that miss nothing but that, if it is said."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/gates?phase=open", timeout=10) as answer:
            found = json.load(answer)["items"] if answer.status == 200 else []
            return [item["service"] for item in found if not missing or item["missing"] == [missing]]
    except OSError:
        return []


def proven(url: str, service: str) -> None:
    """Wait until nothing but a vote is missing: else the evidence moves under who decides on it."""
    ends = time.monotonic() + 180
    while service not in waiting(url, "Approval"):
        assert time.monotonic() < ends, "its evidence never came"
        time.sleep(0.5)


def signed_in(browser: Browser, board: str, size: dict[str, int], who: str, theme: str = "dark") -> Page:
    context = browser.new_context(viewport=size, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    page.goto(f"{board}/gates")
    page.locator(".who > button").click()
    page.locator(f"button[value={who}]").click()
    page.wait_for_load_state()
    return page


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_gates_can_be_used_by_everybody(
    browser: Browser, board: str, size: dict[str, int], theme: str
) -> None:
    page = signed_in(browser, board, size, "ada", theme)
    page.goto(f"{board}/gates")
    usable(page)
    page.locator(".gates a").first.click()
    expect(page.locator("#sentence")).to_contain_text("May ")
    usable(page)
    if size is PHONE:
        for button in page.locator(".decide .btn.big").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 56
            assert box["y"] + box["height"] <= PHONE["height"], (
                "the buttons are at the thumb without scrolling"
            )
    page.context.close()


@pytest.mark.parametrize(
    ("size", "service"), [(PHONE, "checkout-api"), (DESK, "search-index")], ids=["phone", "desk"]
)
def test_yes_is_said_and_seen(browser: Browser, board: str, size: dict[str, int], service: str) -> None:
    proven(board, service)
    page = signed_in(browser, board, size, "ada")
    other = signed_in(browser, board, DESK, "vera")
    page.goto(f"{board}/gates")
    link = page.locator(".gates li[data-phase=waiting] a", has_text=service).first
    address = link.get_attribute("href")
    link.click()
    other.goto(f"{board}{address}")
    expect(other.locator("#sentence")).to_contain_text("May ")
    expect(other.locator(".whynot")).to_contain_text("approver")
    reason, approve = page.locator("input[name=reason]"), page.get_by_role("button", name="Approve")
    if size is PHONE:
        reason.fill("errors are flat")
        approve.click()
    else:
        tab_to(page, reason)
        page.keyboard.type("errors are flat")
        press(page, approve)
    for each in (page, other):  # the one that only looks on is told by its stream
        expect(each.locator("#sentence")).to_contain_text("was approved by Ada", timeout=10_000)
        expect(each.locator("#sentence")).to_contain_text("Its effect is seen", timeout=15_000)
    expect(page.locator(".decide form")).not_to_be_visible()
    page.context.close()
    other.context.close()


def test_board_leads_to_the_gate_and_no_says_why(browser: Browser, board: str) -> None:
    proven(board, "pricing")
    page = signed_in(browser, board, DESK, "ada")
    page.goto(board)
    press(page, page.locator(".waits a", has_text="pricing").first)
    expect(page).to_have_url(re.compile(f"{board}/gates/."))
    reject = page.get_by_role("button", name="Reject")
    press(page, reject)
    expect(page.locator("main")).to_contain_text("takes a reason")
    page.go_back()
    tab_to(page, page.locator("input[name=reason]"))
    page.keyboard.type("not before the sale")
    press(page, reject)
    expect(page.locator("#sentence")).to_contain_text("was rejected by Ada", timeout=10_000)
    expect(page.locator("#sentence")).to_contain_text("not before the sale")
    page.context.close()


def test_a_freeze_begins_and_ends_by_keys_alone(browser: Browser, board: str) -> None:
    page = signed_in(browser, board, DESK, "ada")
    page.goto(f"{board}/gates")
    press(page, page.get_by_text("Begin a freeze"))
    begin = page.locator("form[action='/freezes']")
    for name, text in (("environment", "production"), ("reason", "stocktaking")):
        tab_to(page, begin.locator(f"input[name={name}]"))
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("stocktaking", timeout=20_000)
    usable(page)
    press(page, page.get_by_text("End one early"))
    tab_to(page, page.locator("form[action='/freezes/end'] input[name=reason]"))
    page.keyboard.type("it is over")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#freezes$"), timeout=20_000)
    expect(page.get_by_text("End one early")).to_have_count(0, timeout=60_000)
    page.context.close()


def test_a_form_hears_of_another_freeze_and_keeps_what_was_typed(browser: Browser, board: str) -> None:
    page, other = (signed_in(browser, board, DESK, "ada") for _ in range(2))
    page.goto(f"{board}/gates")
    page.get_by_text("Exempt a service").click()
    reason = page.locator("#exempt-freeze input[name=reason]")
    reason.fill("the fix of the")
    offered = page.locator("#exempt-freeze option")
    before = offered.count()
    other.goto(f"{board}/gates")
    other.get_by_text("Begin a freeze").click()
    for name, text in (("environment", "production"), ("reason", "counting")):
        other.locator(f"form[action='/freezes'] input[name={name}]").fill(text)
    other.get_by_role("button", name="Begin the freeze").click()
    expect(offered).to_have_count(before + 1, timeout=20_000)
    expect(reason).to_have_value("the fix of the")
    expect(reason).to_be_visible()
    page.context.close()
    other.context.close()
