"""Being somebody, in a real browser: one click in the demo, a session that ends under a page, another site's form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.boards import Running
from tests.e2e.usable import usable
from tests.e2e.waiting import until


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    found = Running(tmp_path_factory.mktemp("board"))
    yield found
    found.stop()


def be(page: Page, running: Running, who: str) -> None:
    page.goto(running.here.url)
    page.locator(".who > button").click()
    page.locator(f".who button[value={who}]").click()
    expect(page.locator(".who > button")).to_have_text(who.title())


def test_one_click_makes_one_somebody_and_another_a_stranger_again(page: Page, running: Running) -> None:
    """SR-21: without a complaint of the policy."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    be(page, running, "admin")
    page.locator(".who > button").click()
    page.get_by_role("link", name="Account").click()
    expect(page.locator("h1")).to_contain_text("Admin")
    page.locator("summary").first.click()
    page.locator("details input[name=name]").first.fill("deploy")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".once .cmd")).to_contain_text("shipboard_")
    page.locator(".who > button").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Who are you?")
    assert complaints == []


def test_an_open_page_is_taken_away_when_its_session_ends(page: Page, running: Running) -> None:
    """SR-08, SR-38: within 5 s, in the browser."""
    be(page, running, "viewer")
    expect(page.locator("[data-stream]")).to_have_count(1)
    expect(page.locator(".dial, .foot").first).to_be_visible()
    until(page, "document.querySelector('[data-stream]')._htmx?.sse")
    running.end_all_sessions()
    expect(page.locator("h1")).to_have_text("You are no longer signed in.", timeout=8000)
    expect(page.locator("[data-stream]")).to_have_count(0)


def test_a_form_of_another_site_does_nothing(page: Page, running: Running) -> None:
    """SR-20: a real browser's cross-site form; the session goes on."""
    be(page, running, "viewer")
    form = f'<form method=post action="{running.here.url}/logout"><button>x</button></form>'
    page.route("http://evil.test/", lambda route: route.fulfill(content_type="text/html", body=form))
    page.goto("http://evil.test/")
    with page.expect_navigation() as went:
        page.get_by_role("button").click()
    response = went.value
    assert response is not None
    assert response.status == 403
    page.goto(running.here.url)
    expect(page.locator(".who > button")).to_have_text("Viewer")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/login", "/account"])
def test_the_pages_can_be_used_by_everybody(
    browser: Browser, running: Running, path: str, theme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    if path == "/account":
        be(page, running, "admin")
    page.goto(f"{running.here.url}{path}")
    for summary in page.locator("summary").all():
        summary.click()
    usable(page)
    context.close()
