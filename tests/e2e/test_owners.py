"""Levers that somebody else has a hand on, in a real browser: what Argo CD would undo, colours behind a Service, and
the share of a canary of native objects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from app.demo import argocd
from app.demo.ci_payloads import digest
from tests.e2e.acting import Acting
from tests.e2e.test_acting import SIZES, SOON, be, done, fits, opened, send

expect.set_options(timeout=SOON)
BLUE, GREEN = "2.0", "1.0"


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    started = Acting(tmp_path_factory.mktemp("owners"))
    yield started
    started.close()


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def hold(page: Page, acting: Acting, path: str) -> None:
    dialog = opened(page, acting, path, "Hold auto-sync")
    dialog.get_by_label("4 hours").check()
    dialog.get_by_role("button", name="Show what it would do").click()
    expect(dialog).to_contain_text("it is released then by itself")
    send(dialog, "Errors since the deploy.")
    done(dialog)


def test_what_argo_cd_would_undo_is_held_rolled_back_and_released(
    page: Page, acting: Acting, size: str
) -> None:
    name = f"kept-{size}"
    path = acting.kept(name)
    be(page, acting, size=size)
    said = f"Argo CD application {name} would undo this within seconds."
    page.goto(f"{acting.url}{path}/commands/rollback")
    dialog = page.locator("#ask")
    expect(dialog.locator("#stops")).to_contain_text(said)
    expect(dialog).not_to_contain_text("may undo it")
    expect(dialog.locator("#stops").get_by_role("link", name="Hold auto-sync")).to_be_visible()
    expect(dialog.locator(".foot-acts .main")).to_be_disabled()
    assert fits(page)
    page.goto(acting.url + path)  # the button says the same as soon as a rehearsal told it
    expect(page.locator("#no-rollback")).to_contain_text(said, timeout=90_000)
    expect(page.locator("#acts")).not_to_contain_text("may undo it")
    assert fits(page)

    hold(page, acting, path)
    assert acting.application(name)["spec"]["syncPolicy"]["automated"] == {"enabled": False, "selfHeal": True}
    for address in (path, "/"):
        page.goto(acting.url + address)
        banner = page.locator(".standby", has_text=f"Argo CD application {name} is held until")
        expect(banner).to_be_visible()
        assert fits(page)

    dialog = opened(page, acting, path, "Back to 1.0")
    send(dialog, "2.0 is slow.")
    done(dialog)
    acting.let_be(3 * argocd.HEALS)
    assert acting.image("Deployment", name) == "web:1.0"
    assert acting.application(name)["status"]["sync"]["status"] == "OutOfSync"

    dialog = opened(page, acting, path, "Release auto-sync")
    send(dialog, "2.1 is on its way.")
    done(dialog)
    acting.wait(lambda: acting.image("Deployment", name) == "web:2.0", "Argo CD to go on")
    page.goto(acting.url + path)
    expect(page.locator(".standby")).to_have_count(0)


def test_held_application_goes_to_an_older_revision_of_its_source(page: Page, acting: Acting) -> None:
    path, older = acting.kept("older"), digest("older 1.0")
    be(page, acting)
    page.goto(f"{acting.url}{path}/commands/sync")
    expect(page.locator("#stops")).to_contain_text("Auto-sync would go forward again at once.")
    hold(page, acting, path)
    dialog = opened(page, acting, path, "Sync to an older revision")
    expect(dialog.get_by_label(older[:10])).to_be_checked()
    main = dialog.locator(".foot-acts .main")
    expect(main).to_have_text(f"Sync to {older[:10]}")
    send(dialog, "Only the source is wrong.")
    done(dialog)
    acting.wait(lambda: acting.image("Deployment", "older") == "web:1.0", "the older revision")
    acting.let_be(3 * argocd.HEALS)
    history = acting.application("older")["status"]["history"]
    assert [one["revision"] for one in history] == [older, digest("older 2.0"), older]
    assert history[-1]["initiatedBy"] == {"username": "shipboard"}


def test_service_is_switched_and_switched_back_but_never_to_nobody(
    page: Page, acting: Acting, size: str
) -> None:
    name = f"colours-{size}"
    path = acting.colours(name)
    be(page, acting, size=size)
    for label, colour in ((f"Switch to blue ({BLUE})", "blue"), (f"Switch back to green ({GREEN})", "green")):
        dialog = opened(page, acting, path, label)
        assert fits(page)
        send(dialog)
        done(dialog)
        assert acting.stored("Service", name)["spec"]["selector"]["color"] == colour
    dialog = opened(page, acting, path, f"Switch to blue ({BLUE})")
    acting.scale(f"{name}-blue", 0)
    acting.wait(
        lambda: not acting.stored("Deployment", f"{name}-blue")["status"].get("readyReplicas"), "no pod"
    )
    send(dialog)
    expect(dialog.get_by_role("alert").first).to_contain_text("so nothing was done")
    dialog.get_by_role("button", name="Look again").click()
    expect(dialog.locator("#stops")).to_contain_text(
        "blue is scaled to zero: whoever comes would reach nobody."
    )
    expect(dialog.locator(".foot-acts .main")).to_be_disabled()
    assert acting.stored("Service", name)["spec"]["selector"]["color"] == "green"


def test_share_of_a_native_canary_is_set_where_its_route_tells_it(
    page: Page, acting: Acting, size: str
) -> None:
    name = f"weighed-{size}"
    path = acting.weighed(name)
    be(page, acting, size=size)
    dialog = opened(page, acting, path, "Set weight")
    dialog.get_by_label("Weight of the new version").fill("30")
    dialog.get_by_role("button", name="Show what it would do").click()
    expect(dialog.locator("#ask")).to_contain_text("The canary gets 30 % of the traffic.")
    assert fits(page)
    send(dialog)
    done(dialog)
    backends = acting.stored("HTTPRoute", name)["spec"]["rules"][0]["backendRefs"]
    assert [(one["name"], one["weight"]) for one in backends] == [(name, 70), (f"{name}-canary", 30)]
    page.goto(acting.url + path)
    expect(page.locator("#sentence")).to_contain_text("2.0 waits at 30 % for a person")
