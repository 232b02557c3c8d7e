"""Plans do on a cluster what they say: looked at, planned, sent, and seen through the API alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.domain.commands import Arguments, Verb
from app.domain.rollout import RolloutState
from app.engines import engine_for, shapes
from app.engines.acting import Look, NotOffered, Plan, decoded
from app.engines.port import DEPLOYMENT, ROLLOUT, SERVICE, STATEFULSET, Engine, Kind
from tests.demo.client import Client, Obj, deployment, statefulset, template

pytestmark = pytest.mark.anyio
STEPS = [{"setWeight": 20}, {"pause": {}}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
CANARY = {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": STEPS}}


class Workload:
    """One workload, driven as by buttons."""

    def __init__(self, client: Client, kind: Kind, name: str) -> None:
        self.client, self.kind, self.name = client, kind, name
        self.asked = 0

    async def make(self, body: Obj) -> None:
        status, answer = await self.client.call("POST", self.kind.path("default"), body)
        assert status == 201, answer

    async def change(self, body: Obj) -> None:
        status, answer = await self.client.patch(f"{self.kind.path('default')}/{self.name}", body)
        assert status == 200, answer

    async def look(self) -> tuple[Engine, Look]:
        root = await self.client.get(f"{self.kind.path('default')}/{self.name}")
        engine = engine_for(msgspec.convert(root, type=shapes.SHAPES[self.kind.name]))
        assert engine is not None
        kin: dict[str, list[Obj]] = {}
        for query in engine.queries(root):
            path = query.kind.path(query.namespace or "default")
            if query.name:
                kin.setdefault(query.kind.name, []).append(await self.client.get(f"{path}/{query.name}"))
                continue
            more = {"labelSelector": query.selector} if query.selector else {}
            kin.setdefault(query.kind.name, []).extend((await self.client.get(path, **more))["items"])
        return engine, Look(root, kin)

    async def state(self) -> RolloutState:
        engine, look = await self.look()
        return engine.observe(*decoded(look, engine.root, engine.relations))

    async def plan(self, verb: Verb, arguments: Arguments | None = None) -> Plan:
        engine, look = await self.look()
        self.asked += 1
        now = datetime(2026, 11, 25, 12, 0, self.asked, tzinfo=UTC)
        return engine.plan(verb, look, arguments or Arguments(), now=now, stamp=f"command-{self.asked}")

    async def send(self, plan: Plan) -> list[int]:
        """What the server answered to each patch; nothing is sent after a refusal."""
        version, answers = "", []
        for patch in plan.patches:
            patch = patch.at(version) if patch.after_first else patch
            if patch.when_seen:
                await self.until(lambda s: s.phase != "pending", "the controller to notice")
            method = "DELETE" if patch.delete else "PATCH"
            content = "application/json" if patch.delete else patch.content
            status, answer = await self.client.call(method, patch.path(), patch.body, content)
            answers.append(status)
            if status != 200:
                break
            version = version or answer["metadata"]["resourceVersion"]
        return answers

    async def act(self, verb: Verb, arguments: Arguments | None = None) -> Plan:
        """Plan, send, and wait until the effect is seen. A status that the controller wrote in between is looked at
        again, as whoever performs would."""
        for _ in range(20):
            plan = await self.plan(verb, arguments)
            answers = await self.send(plan)
            if set(answers) == {200}:
                await self.until(lambda s, e=plan.effect: e.met(s), f"{verb} to be seen")
                return plan
            assert set(answers) <= {200, 409, 422}
        raise AssertionError(f"{verb} was refused each time")

    async def until(self, condition: Any, what: str, seconds: float = 15.0) -> RolloutState:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not condition(state := await self.state()):
            assert loop.time() < end, f"still waiting for: {what}; {state.phase} {state.message}"
            await asyncio.sleep(0.01)
        return state

    async def phase(self, *phases: str) -> RolloutState:
        return await self.until(lambda s: s.phase in phases, " or ".join(phases))


def _rollout() -> Obj:
    spec = {
        "replicas": 5,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": CANARY,
        "template": template("web:1.0"),
    }
    return {"metadata": {"name": "web"}, "spec": spec}


async def test_canary_goes_one_step_a_click_and_a_second_click_of_the_same_page_goes_nowhere(
    client: Client,
) -> None:
    web = Workload(client, ROLLOUT, "web")
    await web.make(_rollout())
    await web.phase("idle")
    await web.act(Verb.SET_IMAGE, Arguments(images={"web": "web:1.1"}))
    await web.phase("awaiting_approval")

    plan = await web.plan(Verb.PROMOTE)
    assert await web.send(plan) == [200, 200]
    assert (await web.send(plan))[-1] in (409, 422)
    state = await web.until(lambda s: s.step_index == 2 and s.phase == "awaiting_approval", "the next pause")

    assert state.weight is not None
    assert state.weight.wanted == 20, "two pauses in a row: the second one waits, too"
    assert plan.effect.met(state)
    await web.act(Verb.PROMOTE)
    await web.until(lambda s: s.step_index == 4 and s.phase == "awaiting_approval", "60 %")
    await web.act(Verb.PROMOTE)
    assert (await web.phase("idle")).revision.version == "1.1"  # type: ignore[union-attr]


async def test_canary_is_aborted_tried_again_promoted_in_full_and_undone(client: Client) -> None:
    web = Workload(client, ROLLOUT, "web")
    await web.make(_rollout())
    await web.phase("idle")
    await web.act(Verb.SET_IMAGE, Arguments(images={"web": "web:1.1"}))
    await web.phase("awaiting_approval")

    await web.act(Verb.ABORT)
    await web.phase("aborted")
    await web.act(Verb.RETRY)
    await web.phase("awaiting_approval")
    await web.act(Verb.PAUSE)
    with pytest.raises(NotOffered, match="paused by a person"):
        await web.plan(Verb.PROMOTE)
    await web.act(Verb.RESUME)
    await web.phase("awaiting_approval")
    await web.act(Verb.PROMOTE_FULL)
    await web.phase("idle")
    await web.act(Verb.ROLLBACK)
    state = await web.phase("awaiting_approval", "idle")

    assert state.revision is not None
    assert state.revision.version == "1.0"
    await web.act(Verb.RESTART)


async def test_deployment_that_is_paused_on_a_bad_version_is_undone_without_rolling_it_out(
    client: Client,
) -> None:
    web = Workload(client, DEPLOYMENT, "web")
    await web.make(deployment("web:1.0"))
    await web.phase("idle")
    await web.act(Verb.SET_IMAGE, Arguments(images={"web": "web:bad"}))
    await web.act(Verb.PAUSE)
    assert not (await web.plan(Verb.SET_IMAGE, Arguments(images={"web": "web:bad"}))).patches

    plan = await web.act(Verb.ROLLBACK)
    state = await web.phase("idle")

    assert plan.to is not None
    assert (state.revision, state.paused) != (None, True)
    assert state.revision is not None
    assert (state.revision.version, state.revision.key) == ("1.0", plan.to.key)
    await web.act(Verb.RESTART)
    restarted = await web.phase("idle")
    assert restarted.revision is not None
    assert restarted.revision.key != plan.to.key


async def test_broken_pod_of_an_ordered_set_goes_with_the_undo(client: Client) -> None:
    db = Workload(client, STATEFULSET, "db")
    await db.make(statefulset())
    await db.phase("idle")
    await db.act(Verb.SET_IMAGE, Arguments(images={"web": "db:bad"}))
    await db.until(lambda s: any(p.condition == "failing" for p in s.pods), "the bad pod to fail")

    plan = await db.act(Verb.ROLLBACK, Arguments(delete_blocking=True))
    state = await db.phase("idle")

    assert [p.name for p in plan.patches if p.delete] == ["db-2"]
    assert state.revision is not None
    assert state.revision.version == "1"


async def test_partition_is_promoted_pod_by_pod(client: Client) -> None:
    db = Workload(client, STATEFULSET, "db")
    held = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    await db.make(statefulset(updateStrategy=held))
    await db.phase("idle")
    await db.act(Verb.SET_IMAGE, Arguments(images={"web": "db:2"}))
    await db.phase("paused")

    await db.act(Verb.PROMOTE)
    assert (
        await db.until(lambda s: s.phase == "paused" and s.counts.updated == 2, "two pods")
    ).pace.partition == 1
    await db.act(Verb.PROMOTE_FULL)
    assert (await db.phase("idle")).pace.partition == 0


async def test_service_is_switched_to_a_colour_that_is_ready_and_back(client: Client) -> None:
    for colour, version in (("blue", "1.0"), ("green", "2.0")):
        pod = template(f"web:{version}")
        pod["metadata"]["labels"] = {"app": "web", "color": colour}
        body = deployment(pod=pod, replicas=2, selector={"matchLabels": pod["metadata"]["labels"]})
        body["metadata"]["name"] = colour
        await Workload(client, DEPLOYMENT, colour).make(body)
    web = Workload(client, SERVICE, "web")
    spec = {"selector": {"app": "web", "color": "blue"}, "ports": [{"port": 80, "targetPort": 8080}]}
    await web.make({"metadata": {"name": "web", "annotations": {"shipboard/switch": "color"}}, "spec": spec})
    await web.until(lambda s: all(lane.ready == 2 for lane in s.lanes) and s.lanes, "both colours")

    there = await web.act(Verb.SWITCH, Arguments(revision="green"))
    back = await web.act(Verb.SWITCH, Arguments(revision="blue"))

    assert (there.effect.lane, back.effect.lane) == ("green", "blue")
    await client.patch(f"{DEPLOYMENT.path('default')}/green", {"spec": {"replicas": 0}})
    await web.until(lambda s: not all(lane.ready for lane in s.lanes), "green to go")
    with pytest.raises(NotOffered, match="green is scaled to zero"):
        await web.plan(Verb.SWITCH, Arguments(revision="green"))
