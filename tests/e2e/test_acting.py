"""Acting in a real browser, on a real board and a cluster, on a desk and on a phone: each click through to its effect,
and what happens when it goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.e2e.acting import Acting
from tests.e2e.keys import press, tab_to

SIZES = {"desk": (1280, 800), "phone": (390, 844)}
SOON = 20_000
expect.set_options(timeout=SOON)


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    started = Acting(tmp_path_factory.mktemp("acting"))
    yield started
    started.close()


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def be(page: Page, acting: Acting, who: str = "omar", size: str = "desk") -> None:
    """Sign in, on a screen of that size."""
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{acting.url}/login")
    page.locator(f"main button[value={who}]").click()
    expect(page).to_have_url(f"{acting.url}/")


def opened(page: Page, acting: Acting, path: str, button: str) -> Locator:
    """The dialog over the workload's page."""
    page.goto(acting.url + path)
    page.locator("#acts").get_by_role("link", name=button, exact=True).click()
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("h1")).to_be_focused()
    return dialog


def send(dialog: Locator, reason: str = "Errors are flat.") -> None:
    dialog.get_by_label("Reason").fill(reason)
    dialog.locator(".foot-acts .main").click()


def done(dialog: Locator) -> None:
    expect(dialog.locator("#receipt h1")).to_have_text("Done.")
    expect(dialog.locator("#receipt .road li").nth(2)).to_contain_text("after ")


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_promote_is_asked_sent_and_seen_in_one_place(page: Page, acting: Acting, size: str) -> None:
    path = acting.canary(f"promote-{size}")
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Promote to 60 %")
    expect(dialog.locator(".fromto .ver")).to_have_text(["1.0", "2.0"])
    expect(dialog.locator("summary")).to_contain_text("accepted in a dry run")
    assert fits(page)
    send(dialog)
    done(dialog)
    assert [c["verb"] for c in acting.commands(f"promote-{size}")] == ["promote"]
    dialog.locator("[data-close]").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#asked")).to_contain_text("Errors are flat.")
    expect(page.locator("#sentence")).to_contain_text("waits at 60 %")


def test_keys_alone_cancel_and_send(page: Page, acting: Acting) -> None:
    path = acting.canary("keys")
    be(page, acting)
    page.goto(acting.url + path)
    link = page.locator("#acts").get_by_role("link", name="Promote to 60 %", exact=True)
    dialog = page.locator("dialog[open]")
    press(page, link)
    expect(dialog.locator("h1")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert acting.commands("keys") == []
    press(page, link)
    expect(dialog.locator("h1")).to_be_focused()
    press(page, dialog.locator("[data-close]").first)
    expect(dialog).to_have_count(0)
    press(page, link)
    tab_to(page, dialog.get_by_label("Reason"))
    page.keyboard.type("Errors are flat.")
    press(page, dialog.locator(".foot-acts .main"))
    done(dialog)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert [c["verb"] for c in acting.commands("keys")] == ["promote"]


def test_abort_sends_the_traffic_back(page: Page, acting: Acting, size: str) -> None:
    name = f"abort-{size}"
    path = acting.canary(name)
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Abort")
    expect(dialog.locator(".fromto .ver")).to_have_text(["2.0", "1.0"])
    send(dialog)
    done(dialog)
    assert acting.stored("Rollout", name)["status"]["abort"] is True
    assert acting.audited(name) == ["asked", "sent", "done"]


def test_rollback_takes_a_reason_and_the_version_before(page: Page, acting: Acting, size: str) -> None:
    name = f"back-{size}"
    path = acting.deployed(name)
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Back to 1.0")
    dialog.locator(".foot-acts .main").click()
    expect(dialog.get_by_label("Reason")).to_be_focused()
    assert acting.commands(name) == [], "nothing is sent without a reason"
    send(dialog, "2.0 is slow.")
    done(dialog)
    assert acting.image("Deployment", name) == "web:1.0"


def test_what_moved_meanwhile_is_shown_and_asked_anew(page: Page, acting: Acting, size: str) -> None:
    name = f"moved-{size}"
    path = acting.deployed(name)
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Back to 1.0")
    acting.ship("Deployment", name, "web:3.0")
    send(dialog, "2.0 is slow.")
    problem = dialog.get_by_role("alert")
    expect(problem).to_contain_text("It has changed since you looked")
    expect(problem.locator("tbody")).to_contain_text("2.0")
    assert acting.commands(name) == []
    assert acting.image("Deployment", name) == "web:3.0"
    expect(dialog.get_by_label("Reason")).to_have_value("2.0 is slow.")
    again = dialog.get_by_role("button", name="Look again")
    again.click()
    expect(again).to_have_count(0)
    expect(dialog.locator(".fromto .ver").first).to_have_text("3.0")
    expect(dialog.get_by_label("Reason")).to_have_value("2.0 is slow.")
    dialog.locator(".foot-acts .main").click()
    done(dialog)
    assert acting.audited(name) == ["refused", "asked", "sent", "done"]


def test_an_answer_that_is_lost_is_asked_for_again(page: Page, acting: Acting, size: str) -> None:
    name = f"lost-{size}"
    path = acting.canary(name)
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Pause")
    lost: list[int] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch(max_redirects=0).status)
            route.abort("connectionreset")
        else:
            route.fallback()

    page.route("**/commands/pause", lose)
    send(dialog)
    expect(dialog.get_by_text("No answer came.")).to_be_visible()
    assert lost == [303]
    dialog.locator(".foot-acts .main").click()
    done(dialog)
    assert len(acting.commands(name)) == 1


def test_a_double_click_asks_once(page: Page, acting: Acting, size: str) -> None:
    name = f"double-{size}"
    path = acting.deployed(name)
    before = acting.stored("Deployment", name)["metadata"]["generation"]
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Restart")
    dialog.get_by_label("Reason").fill("Leaks.")
    dialog.locator(".foot-acts .main").dblclick()
    done(dialog)
    assert len(acting.commands(name)) == 1
    assert acting.stored("Deployment", name)["metadata"]["generation"] == before + 1


def test_it_works_without_any_script(browser: Browser, acting: Acting, size: str) -> None:
    name = f"plain-{size}"
    path = acting.canary(name)
    page = browser.new_context(java_script_enabled=False).new_page()
    be(page, acting, size=size)
    page.goto(acting.url + path)
    page.get_by_role("link", name="Promote fully").click()
    expect(page.locator("h1")).to_have_text(f"Promote {name} fully?")
    page.get_by_label("Reason").fill("Known to be good.")
    page.get_by_label("to confirm").fill(name)
    page.locator(".foot-acts .main").click()
    page.wait_for_url("**/commands/*")
    for _ in range(40):
        if page.locator("#receipt h1").inner_text() == "Done.":
            break
        page.reload()
    expect(page.locator("#receipt h1")).to_have_text("Done.")
    assert page.url.rpartition("/")[2] == acting.commands(name)[0]["id"]
    page.context.close()


def test_what_somebody_may_not_do_says_why(page: Page, acting: Acting, size: str) -> None:
    path = acting.deployed(f"may-{size}")
    page.set_viewport_size(dict(zip(("width", "height"), SIZES[size], strict=True)))  # type: ignore[arg-type]
    page.goto(acting.url + path)
    expect(page.get_by_role("button", name="Restart")).to_be_disabled()
    expect(page.locator("#no-restart")).to_have_text("Sign in to act.")
    be(page, acting, "vera", size)
    page.goto(acting.url + path)
    expect(page.get_by_role("button", name="Restart")).to_be_disabled()
    expect(page.locator("#no-restart")).to_contain_text("You lack the role operator in ")
    expect(page.locator("#no-restart")).to_contain_text("An admin can grant it.")
    page.goto(f"{acting.url}{path}/commands/restart")
    expect(page.locator("#stops")).to_contain_text("An admin can grant it.")
    expect(page.locator(".foot-acts .main")).to_be_disabled()
    assert acting.audited(f"may-{size}") == [], "looking is no attempt"


def test_readiness_is_rehearsed_and_proven_by_a_drill(page: Page, acting: Acting) -> None:
    path = acting.deployed("drilled")
    be(page, acting)
    page.goto(acting.url + path)
    ready = page.locator(".readiness")
    expect(ready).to_contain_text("A rollback to 1.0 was accepted in a dry run")
    expect(ready).to_contain_text("No drill has proven it yet.")
    ready.get_by_role("link", name="Drill it").click()
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("h1")).to_contain_text("and forward again?")
    send(dialog, "Monthly drill.")
    done(dialog)
    dialog.locator("[data-close]").click()
    expect(ready).to_contain_text("A drill went back to 1.0 in ")
    expect(page.locator("#asked tbody tr")).to_have_count(2)
    expect(page.locator("#asked tbody tr").first).to_contain_text("Done")
    assert acting.image("Deployment", "drilled") == "web:2.0"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_dialog_can_be_used_by_everybody(browser: Browser, acting: Acting, size: str, theme: str) -> None:
    path = acting.canary(f"axe-{size}-{theme}")
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Back to 1.0")
    dialog.locator("summary").click()
    for step in ("dialog", "receipt"):
        found = Axe().run(page, {"include": [["#dialog"]]}).response
        assert len(found["passes"]) > 5
        assert [(step, v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
        assert fits(page)
        if step == "dialog":
            send(dialog)
            done(dialog)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    context.close()
