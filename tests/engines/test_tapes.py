"""Replays of a real cluster: never a phase better than the truth.

The truth is reckoned here a second time, from the JSON and by the rules of kubectl and of Argo Rollouts
alone, and compared with what kubectl itself printed while the tape ran.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import groupby
from typing import Any

import pytest

from app.domain.rollout import SETTLED, Attention, Health, Phase, PodCondition, RolloutState, attention
from tests.engines.oracle import agree, argo, kubectl, kubectl_of_set
from tests.engines.tape import Command, Mark, Moment, replay

DEPLOYMENTS = ("01", "02", "03", "04", "06", "09", "11", "14", "15", "17")
SETS = ("07", "08")
ROLLOUTS = ("21", "22", "23")


@cache
def tape(name: str) -> tuple[Moment | Command | Mark, ...]:
    return tuple(replay(name))


def moments(name: str, root: str = "web") -> list[Moment]:
    return [m for m in tape(name) if isinstance(m, Moment) and m.name == root]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_deployment_is_at_every_event_what_kubectl_would_say(name: str) -> None:
    allowed = {
        "unobserved": {Phase.PENDING},
        "error": {Phase.FAILED},
        "waiting": {Phase.PROGRESSING, Phase.PAUSED},
        "done": {Phase.IDLE},
    }

    for moment in (m for m in tape(name) if isinstance(m, Moment)):
        assert moment.state.phase in allowed[kubectl(moment.raw)], moment


@pytest.mark.parametrize("name", SETS)
def test_set_is_at_every_event_what_kubectl_would_say(name: str) -> None:
    allowed = {
        "unobserved": Phase.PENDING,
        "waiting": Phase.PROGRESSING,
        "ending": Phase.PROGRESSING,
        "partitioned": Phase.PAUSED,
        "idle": Phase.IDLE,
    }

    for moment in (m for m in tape(name) if isinstance(m, Moment)):
        assert moment.state.phase is allowed[kubectl_of_set(moment.raw)], moment


@pytest.mark.parametrize("name", ROLLOUTS)
def test_rollout_is_at_every_event_what_argo_would_say(name: str) -> None:
    allowed = {
        "unobserved": {Phase.PENDING},
        "Healthy": {Phase.IDLE},
        "Degraded": {Phase.FAILED, Phase.ABORTED},
        "Paused": {Phase.PAUSED, Phase.AWAITING_APPROVAL},
        "Progressing": {Phase.PROGRESSING, Phase.VERIFYING, Phase.PROMOTING},
    }

    for moment in moments(name):
        status = moment.raw.get("status", {})
        theirs = argo(moment.raw)
        if theirs == "Paused" and status.get("abort"):
            assert moment.state.phase is Phase.ABORTED
        elif theirs == "Paused" and status.get("promoteFull"):
            assert moment.state.phase is Phase.PROMOTING
        elif (
            theirs == "Paused" and not status.get("pauseConditions") and not moment.raw["spec"].get("paused")
        ):
            assert moment.state.phase is Phase.PROGRESSING
        else:
            assert moment.state.phase in allowed[theirs], moment


@pytest.mark.parametrize("name", DEPLOYMENTS + SETS)
def test_state_agrees_with_what_kubectl_printed(name: str) -> None:
    compared = 0
    for command in (c for c in tape(name) if isinstance(c, Command) and c.words[:2] == ("rollout", "status")):
        seen = moments(name, command.words[2].rpartition("/")[2])
        agree(command, seen)
        compared += 1
    assert compared


@pytest.mark.parametrize("name", DEPLOYMENTS + SETS + ROLLOUTS)
def test_every_moment_keeps_the_promises_of_a_state(name: str) -> None:
    for moment in (m for m in tape(name) if isinstance(m, Moment)):
        state = moment.state
        assert (state.progress == 100) == (state.phase is Phase.IDLE)
        assert state.message or (state.phase in SETTLED and state.health is Health.HEALTHY)
        assert state.stable is None or state.stable != state.revision
        assert state.deadline_at is None or state.phase in (Phase.PROGRESSING, Phase.PROMOTING)
        if state.phase is Phase.IDLE:
            assert attention(state) in (Attention.GOOD, Attention.FAILED)


@pytest.mark.parametrize("name", DEPLOYMENTS + SETS)
def test_healthy_never_hides_a_failing_pod(name: str) -> None:
    for moment in (m for m in tape(name) if isinstance(m, Moment)):
        if moment.state.phase is Phase.IDLE and any(
            p.new and p.condition is PodCondition.FAILING for p in moment.state.pods
        ):
            assert attention(moment.state) is Attention.FAILED


def chapters(items: Iterable[Moment | Command | Mark], root: str = "web") -> list[tuple[str, str]]:
    """The steps of the scenario in which `root` was seen, each with its phases in order."""
    told: list[tuple[str, list[str]]] = [("", [])]
    for item in items:
        if isinstance(item, Mark):
            told.append((item.text, []))
        elif isinstance(item, Moment) and item.name == root:
            told[-1][1].append(item.state.phase.value)
    return [(text, " ".join(phase for phase, _ in groupby(phases))) for text, phases in told if phases]


ROOTS = {"07": "db", "08": "agent"}
STORIES = {
    "02": [
        ("create", "pending progressing idle"),
        ("set bad image", "pending"),
        ("kubectl rollout status fails at the deadline", "pending progressing failed"),
        ("fix forward", "pending progressing idle"),
    ],
    "03": [
        ("create", "pending progressing idle"),
        ("set image", "pending progressing"),
        ("pause", "progressing pending paused"),
        ("scale while paused 8 -> 12", "pending paused"),
        ("set image while paused", "pending paused"),
        ("resume", "pending progressing idle"),
    ],
    "07": [
        ("create", "pending progressing idle"),
        ("set image 1.1", "pending progressing idle"),
        ("partition 3 then image 1.2: only db-3", "pending idle pending progressing paused"),
        ("partition 0", "pending progressing idle"),
        ("bad image", "pending progressing"),
        ("undo: stays stuck, the broken pod is not replaced", "pending progressing"),
        ("delete the stuck pod by hand", "progressing idle"),
        ("scale 2", "pending progressing idle"),
    ],
    "08": [
        ("create", "pending progressing idle"),
        ("set image 1.1", "pending progressing idle"),
        ("surge update 1.2", "pending idle pending progressing idle"),
        ("bad image: stuck for ever, no condition says so", "pending progressing"),
        ("undo", "pending idle"),
        ("label node-3 out of the selector", "pending progressing idle progressing idle"),
    ],
    "21": [
        ("create", "pending progressing idle"),
        ("set image web:1.1", "pending progressing awaiting_approval"),
        ("promote (one step)", "progressing paused progressing paused progressing idle"),
        ("set image web:1.2", "pending progressing awaiting_approval"),
        ("promote full", "promoting progressing idle"),
        ("set image web:1.3", "pending progressing awaiting_approval"),
        ("abort", "aborted"),
        ("retry", "aborted progressing awaiting_approval"),
        ("abort, then back to the stable image (undo): Healthy", "aborted"),
        ("set image web:1.2", "pending progressing idle"),
        ("set image web:bad", "pending progressing failed"),
        ("set image web:1.2", "pending progressing idle"),
        ("spec.paused", "pending paused pending idle"),
        ("restart", "pending progressing idle"),
        ("scale subresource", "pending idle"),
        (
            "errors: invalid spec is accepted by the API (schema only) and the controller says InvalidSpec; "
            "schema violation 422; stale PUT 409; 404; viewer 403",
            "idle pending failed",
        ),
    ],
    "22": [
        ("create", "pending progressing idle"),
        ("set image web:2.0", "pending progressing awaiting_approval"),
        ("promote", "progressing idle"),
        ("set image web:3.0", "pending progressing awaiting_approval"),
        ("abort", "aborted"),
        ("set image web:2.0", "pending idle"),
        ("set image web:bad", "pending progressing failed progressing failed"),
        ("set image web:2.0", "pending idle"),
    ],
    "23": [
        ("create", "pending progressing idle"),
        ("set image web:1.1", "pending progressing verifying progressing paused progressing idle"),
        ("set image web:1.2", "pending progressing verifying aborted"),
        ("set image web:1.1", "pending idle"),
        ("set image web:1.3", "pending progressing verifying paused"),
        ("promote past the inconclusive step, as the plugin does", "progressing paused progressing idle"),
        ("set image web:1.4", "pending progressing verifying aborted"),
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_tape_is_told_as_the_story_it_is(name: str) -> None:
    assert chapters(tape(name), ROOTS.get(name, "web")) == STORIES[name]


def test_stuck_surge_with_perfect_counters_is_shown_as_failed() -> None:
    stuck = [m for m in moments("08", "agent") if 26 < m.t < 32.7]

    assert stuck
    for moment in stuck:
        assert moment.raw["status"]["numberReady"] == moment.raw["status"]["desiredNumberScheduled"]
        assert attention(moment.state) is Attention.FAILED
        assert moment.state.message.endswith(
            "Old pods still serve on every node, so its counters look perfect"
        )


def test_pod_that_an_undo_leaves_behind_is_named_until_it_is_deleted() -> None:
    left = [m.state for m in moments("07", "db") if 36.8 < m.t < 42.8]

    assert {state.waits_for.what for state in left} == {"Delete pod db-3"}
    assert {attention(state) for state in left} == {Attention.FAILED}


class Switched:
    """Tape 09 as if its Service said by which label it switches; keeps the newest JSON of each object."""

    def __init__(self) -> None:
        self.raw: dict[tuple[str, str], dict[str, Any]] = {}

    def edit(self, kind: str, document: dict[str, Any]) -> None:
        if kind == "Service":
            document["metadata"].setdefault("annotations", {})["shipboard/switch"] = "color"
        self.raw[kind, document["metadata"]["name"]] = document

    def live(self) -> tuple[str, str]:
        """The colour of the selector, and what kubectl would say of its Deployment."""
        colour = self.raw["Service", "web"]["spec"]["selector"]["color"]
        return colour, kubectl(self.raw["Deployment", colour])

    def ends(self) -> set[str]:
        """Names of pods behind ready endpoints."""
        slices = [o for (kind, _), o in self.raw.items() if kind == "EndpointSlice"]
        all_ = [e for o in slices for e in o.get("endpoints") or []]
        return {e["targetRef"]["name"] for e in all_ if e["conditions"]["ready"]}


def test_switch_is_at_rest_only_when_all_endpoints_have_followed() -> None:
    world, rested = Switched(), 0
    for item in replay("09", world.edit):
        if not isinstance(item, Moment) or item.name != "web":
            continue
        colour, said = world.live()
        followed = all(name.startswith(f"{colour}-") for name in world.ends())
        if item.state.phase in (Phase.IDLE, Phase.AWAITING_APPROVAL):
            rested += 1
            assert said == "done"
            assert followed
            assert item.state.health is Health.HEALTHY
        else:
            other = {"blue": "green", "green": "blue"}[colour]
            rolling = kubectl(world.raw["Deployment", other]) if ("Deployment", other) in world.raw else ""
            assert said != "done" or not followed or rolling != "done"
    assert rested > 20


def test_switch_is_told_as_the_story_it_is() -> None:
    assert chapters(replay("09", Switched().edit)) == [
        ("create blue, service", "progressing idle"),
        ("create green", "pending progressing awaiting_approval"),
        ("switch to green", "promoting idle"),
        ("switch back", "promoting awaiting_approval"),
        ("switch to green with a resourceVersion precondition (409 when stale)", "promoting idle"),
        ("scale blue to 0, delete blue", "idle"),
    ]


def last(name: str) -> RolloutState:
    return moments(name)[-1].state


def test_last_state_of_each_tape_is_how_it_ended() -> None:
    for name in ("01", "02", "03", "04", "06", "22"):
        assert (last(name).phase, last(name).health, last(name).message) == (Phase.IDLE, Health.HEALTHY, "")
    assert last("11").message == "Runs out of memory and is killed (5 restarts)"
    assert last("15").phase is Phase.FAILED
    assert last("15").message.startswith("Cannot create pods: error looking up service account")
    assert last("21").message.startswith("Its spec is invalid: spec.strategy.steps[0].setWeight")
    assert last("23").phase is Phase.ABORTED
    assert last("23").message.startswith("Aborted, 1.3 serves: ")


def test_undo_goes_back_to_the_very_revision_whatever_its_number() -> None:
    settled = [m.state.revision for m in moments("04") if m.state.phase is Phase.IDLE]
    story = [(r.key, r.number) for r in settled if r is not None]

    keys = [key for key, _ in groupby(key for key, _ in story)]
    assert [number for number, _ in groupby(number for _, number in story)] == [1, 2, 3, 4, 5, 7]
    assert keys[1] == keys[3]
    assert keys[0] == keys[4]
    assert len(set(keys)) == 3


def test_share_on_the_canary_follows_its_steps() -> None:
    shares = [m.state.weight.wanted for m in moments("21") if m.t < 13.9 and m.state.weight is not None]

    assert [share for share, _ in groupby(shares)] == [100, 20, 60, 80, 100]


def test_crash_loop_that_kubectl_called_a_success_is_shown_as_failed() -> None:
    after = [m.state for m in moments("11", "noprobe") if m.t > 27.2]

    assert after[-1].health is Health.DEGRADED
    assert attention(after[-1]) is Attention.FAILED
    assert after[-1].message == "Exits at start with code 1 (2 restarts)"
    assert after[-1].stable is None
