"""What the board does by itself, on a real cluster: rehearsals, drills, holds that end; and the rule of going back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.commands import Verb
from app.domain.facts import WorkloadObserved
from app.domain.owners import Manager, Owner, Reverts
from app.domain.people import SYSTEM
from app.domain.targets import RULE
from app.ingest import Ingest
from app.perform import Blocked, Rounds, Rules
from app.read import past
from app.read.readiness import Proof
from app.store.readiness import OWNER, Checked, put
from tests.databases import fresh
from tests.demo.client import STRATEGIC
from tests.perform.rig import ADA, WEB, Rig, ask, eventually, now, rig

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(fresh(tmp_path)) as running:
        await running.make_web()
        await at(running, "1.0")
        yield running


def rounds(here: Rig) -> Rounds:
    return Rounds(here.perform, here.database, here.live, Rules(), now)


async def told(here: Rig) -> past.Told:
    async with here.database.reading() as connection:
        return await past.told(connection, WEB)


async def at(here: Rig, version: str) -> None:
    async def there() -> bool:
        state = (await here.perform.known(WEB)).state
        return bool(state.revision and state.revision.version == version and state.phase.value == "idle")

    await eventually(there, f"at rest at {version}")


async def shipped(here: Rig, image: str, ready_after: str) -> None:
    """Another image whose pods take so many seconds to be ready, in one write."""
    meta = {"annotations": {"hollow/ready-after": ready_after}}
    template = {"metadata": meta, "spec": {"containers": [{"name": "web", "image": image}]}}
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    status, answer = await here.client.patch(path, {"spec": {"template": template}}, STRATEGIC)
    assert status == 200, answer


async def test_a_rehearsal_says_what_would_be_and_changes_nothing(here):
    board = rounds(here)
    await board.once()
    first = (await told(here)).readiness
    assert first is not None
    assert (first.accepted, bool(first.said)) == (False, True), "nothing to go back to yet"
    await here.ship("web:2.0")
    await at(here, "2.0")
    before = here.stored()["metadata"]["resourceVersion"]
    await board.once()
    assert (await told(here)).readiness == first, "not again so soon"
    await Rounds(
        here.perform, here.database, here.live, Rules(), lambda: now() + timedelta(minutes=11)
    ).once()
    found = (await told(here)).readiness
    assert found is not None
    assert (found.accepted, found.version) == (True, "1.0")
    assert here.stored()["metadata"]["resourceVersion"] == before
    assert await here.audit() == [], "a rehearsal is no command"


async def test_what_an_owner_undid_in_a_rehearsal_is_remembered(here):
    known = await here.perform.known(WEB)
    for rule in (OWNER, "nothing"):
        checked = Checked(known.key, "", False, rule, "Somebody undoes it.", "", "", now())
        async with here.database.writing() as session:
            await put(session, checked)
        assert (await told(here)).record.undone is (rule == OWNER)


async def test_a_drill_goes_back_and_forth_and_is_proof(here):
    await here.ship("web:2.0")
    await at(here, "2.0")
    board = rounds(here)
    await board.once()
    here.perform._rules = Rules(frozenset({(await here.perform.known(WEB)).place.environment}))
    with pytest.raises(Blocked, match="production"):
        await here.perform.drill(ask(Verb.ROLLBACK), ADA)
    here.perform._rules = Rules()
    await here.perform.drill(ask(Verb.ROLLBACK, key="d1", reason="Monthly drill."), ADA)

    async def proven() -> bool:
        await board.once()
        found = (await told(here)).readiness
        return found is not None and found.proof(now()) is Proof.GOOD

    await eventually(proven, "proven")
    await at(here, "2.0")
    for _ in range(3):
        await board.once()
    found = await told(here)
    assert [each.kept.command.reason for each in found.asked] == [
        "Forward again after the drill: Monthly drill.",
        "Monthly drill.",
    ]
    assert found.readiness is not None
    assert (found.readiness.drill_version, found.readiness.drilled is not None) == ("1.0", True)


async def test_a_hold_that_is_over_is_released_in_the_name_of_the_board(here):
    known = await here.perform.known(WEB)
    over = now() - timedelta(minutes=1)
    owner = Owner(Manager.ARGOCD, "Application", "web", "argocd", Reverts.NO, held_until=over)
    held = replace(known.state, owner=owner)
    uid = known.key.partition(":")[2]
    await Ingest(here.database, here.live)(
        [WorkloadObserved(known.ref, uid, known.place, known.engine, held, now())]
    )
    await rounds(here).once()
    (entry,) = [row for row in await here.audit() if row.verb == "release"]
    assert entry.identity == SYSTEM.identity
    assert entry.reason == "The time of the hold is over."


async def test_only_what_was_live_here_is_gone_back_to(here):
    await here.ship("web:2.0")
    await at(here, "2.0")
    await shipped(here, "web:3.0-broken", ready_after="9999")
    versions = {r.version: r for r in (await here.perform.known(WEB)).state.revisions}

    async def three() -> bool:
        nonlocal versions
        versions = {r.version: r for r in (await here.perform.known(WEB)).state.revisions}
        return "3.0-broken" in versions

    await eventually(three, "3.0 is kept")
    await shipped(here, "web:4.0", ready_after="1")
    await at(here, "4.0")
    preview = await here.perform.preview(ask(Verb.ROLLBACK), ADA)
    assert [t.revision.version for t in preview.targets][:2] == ["2.0", "1.0"]
    assert preview.after is not None
    assert preview.after.version == "2.0", "the last that was live, not the newest"
    broken = versions["3.0-broken"].key
    refused = await here.perform.preview(ask(Verb.ROLLBACK, revision=broken), ADA)
    assert [b.rule for b in refused.blocked_by] == [RULE]
    with pytest.raises(Blocked, match="never became healthy here"):
        await here.perform.ask(ask(Verb.ROLLBACK, revision=broken), ADA)
    done = await here.do(Verb.ROLLBACK)
    assert done.phase.value == "done"
    assert done.arguments.revision == versions["2.0"].key, "no command is relative"
