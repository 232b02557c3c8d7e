"""The dialog's form over HTTP: what is not its own comes back unanswered, what is asked twice is one command."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from app.demo import EmbeddedCluster
from app.domain.commands import Arguments, Expected, Verb
from app.domain.names import WorkloadRef
from app.domain.people import Role
from app.ingest import Ingest
from app.live import Live
from app.settings import AuthSettings, ClusterSettings, Mode
from app.store.tables import AUDIT, COMMAND
from app.web.pages.commands import Shown, sign, unsign
from tests.ci import made, pushed, sha_of
from tests.demo.client import DEPLOYMENTS, WEB, Client, deployment, stored, until
from tests.web.auth.door import Door, door, persona

pytestmark = pytest.mark.anyio
REF = WorkloadRef("real", "default", "Deployment", "web")
PAGE = "/workloads/real/default/Deployment/web"
AUTH = AuthSettings(
    modes=(Mode.DEMO,),
    anonymous=True,
    personas=(persona("omar", (Role.OPERATOR, "*")), persona("vera", (Role.VIEWER, "*"))),
)


@pytest.fixture
async def kube(tmp_path: Path) -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(time_scale=25.0) as running:
        async with Client(running.url, running.token) as client:
            await client.call("POST", DEPLOYMENTS, deployment(replicas=2))

            def ready() -> bool:
                status = stored(running, "deployments", "web").get("status", {})
                return bool(status.get("availableReplicas") == 2)

            await until(ready, "ready")
        running.kubeconfig(tmp_path / "kubeconfig")
        yield running


@pytest.fixture
async def here(kube: EmbeddedCluster, tmp_path: Path) -> AsyncIterator[Door]:
    clusters = (ClusterSettings("real", tmp_path / "kubeconfig", "demo"),)
    async with door(tmp_path, AUTH, clusters=clusters, audit_key="k" * 32) as board:
        await until(lambda: board.app.state.hub.fleet.at(REF), "the board knows it")
        yield board


async def filled(here: Door, cookie: str, verb: str = "restart", query: str = "") -> dict[str, str]:
    """The hidden fields of a dialog's form."""
    answer = await here.ask("GET", f"{PAGE}/commands/{verb}{query}", cookie)
    assert answer.status_code == 200, answer.text
    return fields(answer.text)


def fields(html: str) -> dict[str, str]:
    form = html.partition('<form method="post" action="/workloads')[2]
    found = re.findall(r'<input type="hidden" name="(csrf|seen|key)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in found}


async def post(here: Door, cookie: str, body: dict[str, str], verb: str = "restart") -> Any:
    return await here.ask("POST", f"{PAGE}/commands/{verb}", cookie, data=body)


def test_what_was_shown_comes_back_only_to_its_own_session():
    shown = Shown(Verb.ROLLBACK, REF, Arguments("r1"), Expected("u1", "r2"))
    text = sign(shown, "mine")
    assert unsign(text, "mine") == shown
    for wrong, secret in ((text, "another"), (text[:-4] + "AAAA", "mine"), ("", "mine"), ("é", "mine")):
        with pytest.raises(ValueError, match=r".*"):
            unsign(wrong, secret)


async def test_a_form_leads_to_its_receipt_and_the_same_form_to_the_same(kube, here):
    omar = await here.be("omar")
    form = {**await filled(here, omar), "reason": "Leaks <b>memory</b>."}
    generation = stored(kube, "deployments", "web")["metadata"]["generation"]
    first, second = await asyncio.gather(post(here, omar, form), post(here, omar, form))
    assert (first.status_code, second.status_code) == (303, 303), first.text
    assert first.headers["location"] == second.headers["location"]
    receipt = await here.ask("GET", first.headers["location"], omar)
    assert receipt.status_code == 200
    assert "Leaks &lt;b&gt;memory&lt;/b&gt;." in receipt.text
    assert f'hx-sse:connect="{first.headers["location"]}"' in receipt.text
    await until(lambda: stored(kube, "deployments", "web")["metadata"]["generation"] > generation, "written")
    assert stored(kube, "deployments", "web")["metadata"]["generation"] == generation + 1
    assert len(await here.rows(COMMAND)) == 1
    for path in (PAGE, first.headers["location"]):
        stranger = await here.ask("GET", path)
        assert "memory" not in stranger.text, "why is told to those who say who they are"
    assert "memory" in (await here.ask("GET", PAGE, await here.be("vera"))).text
    other = await post(here, omar, {**form, "reason": "Another."})
    assert other.status_code == 422
    assert "What was asked then stands" in other.text
    assert fields(other.text)["key"] != form["key"]
    assert len(await here.rows(COMMAND)) == 1


async def test_a_form_that_was_not_made_here_is_not_answered(here):
    omar, vera = await here.be("omar"), await here.be("vera")
    form = {**await filled(here, omar), "reason": "r"}
    for body in (
        {**form, "seen": form["seen"][:-8] + "AAAAAAA="},
        {**form, "seen": ""},
        {**form, "key": ""},
        {**form, "key": "k" * 99},
    ):
        assert (await post(here, omar, body)).status_code == 400
    assert (await post(here, omar, form, "pause")).status_code == 400, "the form of another verb"
    assert (await post(here, omar, {**form, "csrf": "0" * 64})).status_code == 403
    assert (await post(here, vera, form)).status_code == 403
    again = await here.be("omar")
    stolen = {**form, "csrf": (await filled(here, again))["csrf"]}
    assert (await post(here, again, stolen)).status_code == 400, "the form of another session"
    assert await here.rows(COMMAND) == []


async def test_what_moved_is_told_with_what_it_is_now_and_the_reason_stays(kube, here):
    omar = await here.be("omar")
    form = {**await filled(here, omar), "reason": "Leaks."}
    async with Client(kube.url, kube.token) as client:
        image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2.0"}]}}}}
        await client.patch(WEB, image, "application/strategic-merge-patch+json")
    fleet = here.app.state.hub.fleet
    await until(lambda: fleet.at(REF).state.revision.version == "2.0", "the board sees it")
    answer = await post(here, omar, form)
    assert answer.status_code == 409
    assert "It has changed since you looked" in answer.text
    assert "<del>1.0</del>" in answer.text
    assert "<ins>2.0</ins>" in answer.text
    again = await post(here, omar, {**fields(answer.text), "reason": "Leaks.", "again": "1"})
    assert again.status_code == 200
    assert 'value="Leaks."' in again.text
    assert "It has changed" not in again.text
    done = await post(here, omar, {**fields(again.text), "reason": "Leaks."})
    assert done.status_code == 303


async def test_whoever_may_not_sees_why_and_leaves_no_trace(here):
    vera = await here.be("vera")
    answer = await here.ask("GET", f"{PAGE}/commands/restart", vera)
    assert answer.status_code == 200
    assert "You lack the role operator in" in answer.text
    assert "An admin can grant it." in answer.text
    assert re.search(r'<button class="btn main" disabled', answer.text)
    stranger = await here.ask("GET", f"{PAGE}/commands/restart")
    assert "Sign in to act." in stranger.text
    page = (await here.ask("GET", PAGE, vera)).text
    assert page.count("You lack the role operator in") >= 4
    assert "hx-get" not in page.partition('id="acts"')[2].partition('class="cols"')[0]
    assert "Sign in to act." in (await here.ask("GET", PAGE)).text
    assert [row for row in await here.rows(AUDIT) if row["verb"] == "restart"] == [], "looking is no attempt"


async def test_addresses_that_mean_nothing_say_so(here):
    omar = await here.be("omar")
    for path in (
        f"{PAGE}/commands/fly",
        f"{PAGE}/commands/promote",
        f"{PAGE}x/commands/restart",
        "/commands/abc",
    ):
        answer = await here.ask("GET", path, omar)
        assert answer.status_code == 404, path
    assert (await here.ask("GET", "/commands/xyz", omar)).status_code == 400


async def test_what_has_to_be_chosen_is_chosen_first(here):
    omar = await here.be("omar")
    bare = await here.ask("GET", f"{PAGE}/commands/set-image", omar)
    assert 'name="image.web" value="web:1.0"' in bare.text
    assert "Choose first" in bare.text
    chosen = await here.ask("GET", f"{PAGE}/commands/set-image?image.web=web:9.9", omar)
    assert "accepted in a dry run" in chosen.text
    assert unsign(fields(chosen.text)["seen"], fields(chosen.text)["csrf"]).arguments.images == {
        "web": "web:9.9"
    }
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    told = [
        fact
        for n, name in enumerate(("1.0", "9.9"))
        for when in (at + n * timedelta(hours=1),)
        for fact in (pushed("web", name, when, f"Change {name}"), made("web", name, when))
    ]
    await Ingest(here.app.state.hub.database, Live())(told)
    said = (await here.ask("GET", f"{PAGE}/commands/set-image?image.web=web:9.9", omar)).text
    assert "<h2>1 commit goes in</h2>" in said
    assert f'href="/commits/{sha_of("web 1.0")}"' in said
    assert "Change 9.9" in said
    assert "Change 1.0" not in said
    same = await here.ask("GET", f"{PAGE}/commands/set-image?image.web=web:1.0", omar)
    assert "It is so already." in same.text


async def test_readiness_is_in_the_api(here):
    async def told() -> Any:
        answer = await here.http.get(f"/api/v1{PAGE}", headers={"accept": "application/json"})
        return answer.json()["readiness"]

    async with asyncio.timeout(15):
        while (found := await told()) is None:
            await asyncio.sleep(0.05)
    assert (found["accepted"], found["rule"]) == (False, "not-offered"), found
    assert found["said"]
