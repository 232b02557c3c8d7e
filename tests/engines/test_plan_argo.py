"""Plans for Argo Rollouts: status after main, one step a click, and what each refuses."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.commands import Arguments, Verb
from app.engines.acting import STAMP as MARK
from app.engines.acting import VERSION_AFTER, NotOffered
from tests.engines.acts import STAMP, Conflict, Documents, applied, edited, engine_of, plan, state, versioned
from tests.engines.objects import cases

CASES = {case.name: case for case in cases() if case.engine == "argo-rollouts"}
WAITS = "canary-waits-at-20-percent-for-a-person"
PREVIEW = "blue-green-preview-waits-for-a-person"


def _case(name: str) -> Documents:
    return versioned(CASES[name].documents)


def _offers(documents: Documents) -> dict[Verb, Any]:
    return dict(engine_of(documents).verbs(state(documents)))


def test_promotion_names_the_step_it_leaves_and_the_pause_it_answers() -> None:
    documents = _case(WAITS)

    main, status = plan(documents, Verb.PROMOTE).patches
    tests = {op["path"]: op["value"] for op in status.body if op["op"] == "test"}
    writes = {op["path"]: op.get("value") for op in status.body if op["op"] != "test"}

    assert (main.subresource, status.subresource, status.after_first) == ("", "status", True)
    assert main.body[-1]["value"] in (STAMP, {MARK: STAMP})
    assert tests["/metadata/resourceVersion"] == VERSION_AFTER
    assert tests["/status/currentStepIndex"] == 1
    assert tests["/status/pauseConditions/0/startTime"] == "2026-11-23T00:22:30Z"
    assert writes == {
        "/status/pauseConditions": None,
        "/status/controllerPause": False,
        "/status/currentStepIndex": 2,
    }
    assert status.path().endswith("/rollouts/web/status")


def test_second_click_does_nothing_whether_it_comes_before_or_after_the_controller() -> None:
    documents = _case(WAITS)
    found = plan(documents, Verb.PROMOTE)
    after = applied(documents, found.patches)

    with pytest.raises(Conflict):
        applied(after, found.patches)
    with pytest.raises(NotOffered, match="waits for nobody"):
        plan(after, Verb.PROMOTE)
    assert found.effect.met(state(after))


def test_version_of_the_first_answer_is_put_into_the_second_patch() -> None:
    status = plan(_case(WAITS), Verb.PROMOTE).patches[1]

    sent = status.at("4711")

    assert {"op": "test", "path": "/metadata/resourceVersion", "value": "4711"} in sent.body
    assert VERSION_AFTER not in str(sent.body)


def test_promotion_says_where_it_goes() -> None:
    assert _offers(_case(WAITS))[Verb.PROMOTE].label == "Promote to 60 %"
    assert _offers(_case(PREVIEW))[Verb.PROMOTE].label == "Switch to 2.0"


def test_promotion_of_a_blue_green_takes_only_the_pause_away() -> None:
    documents = _case(PREVIEW)

    status = plan(documents, Verb.PROMOTE).patches[1]

    assert [op["path"] for op in status.body if op["op"] != "test"] == ["/status/pauseConditions"]


def test_what_a_person_paused_is_resumed_and_not_promoted() -> None:
    documents = edited(_case(WAITS), 0, {"spec.paused": True})
    offers = _offers(documents)

    assert "Resume it first." in [b.clears for b in offers[Verb.PROMOTE].blocked_by]
    after = applied(documents, plan(documents, Verb.RESUME).patches)
    assert after[0]["spec"]["paused"] is False
    assert after[0]["status"] == documents[0]["status"]


def test_pause_step_is_promoted_and_not_resumed() -> None:
    assert "nobody paused it" in _offers(_case(WAITS))[Verb.RESUME].blocked_by[0].message


def test_promote_full_unpauses_and_asks_for_all() -> None:
    documents = edited(_case(WAITS), 0, {"spec.paused": True})

    found = plan(documents, Verb.PROMOTE_FULL)
    after = applied(documents, found.patches)[0]

    assert after["spec"]["paused"] is False
    assert after["status"]["promoteFull"] is True
    assert found.effect.met(state(applied(documents, found.patches))) is None, "our own write is no success"


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.ABORT, Verb.PAUSE])
def test_what_is_fully_promoted_can_be_neither_promoted_nor_aborted(verb: Verb) -> None:
    with pytest.raises(NotOffered, match="Nothing is on its way"):
        plan(_case("blue-green-switched-and-keeps-the-old-pods-for-a-while"), verb)


def test_abort_of_a_canary_leaves_a_pause_and_that_of_a_blue_green_takes_it_away() -> None:
    canary = edited(_case(WAITS), 0, {"spec.paused": True})
    colours = edited(_case(PREVIEW), 0, {"spec.paused": True})

    kept = applied(canary, plan(canary, Verb.ABORT).patches)[0]
    moved = applied(colours, plan(colours, Verb.ABORT).patches)[0]

    assert (kept["spec"]["paused"], kept["status"]["abort"]) == (True, True)
    assert (moved["spec"]["paused"], moved["status"]["abort"]) == (False, True)
    assert "unpaused" in plan(colours, Verb.ABORT).sentence


def test_abort_of_a_blue_green_is_done_when_the_traffic_is_back() -> None:
    documents = _case("blue-green-is-verified-after-the-switch")
    effect = plan(documents, Verb.ABORT).effect

    assert effect.serves == documents[0]["status"]["stableRS"]
    assert effect.met(state(_case("blue-green-aborted-but-traffic-stays-on-the-new-revision"))) is None


def test_abort_that_came_too_late_is_seen_to_have_failed() -> None:
    effect = plan(_case(WAITS), Verb.ABORT).effect
    documents = _case(WAITS)
    documents[0]["status"] |= {
        "phase": "Healthy",
        "stableRS": documents[0]["status"]["currentPodHash"],
        "pauseConditions": None,
        "controllerPause": False,
        "currentStepIndex": 6,
    }
    documents[0]["status"]["conditions"] = []

    assert effect.met(state(documents)) is False


def test_aborted_one_is_tried_again_or_undone_and_nothing_else() -> None:
    offers = _offers(_case("aborted-and-scaled-down"))

    assert {v for v, o in offers.items() if o.available} >= {Verb.RETRY, Verb.ROLLBACK}
    assert not {v for v, o in offers.items() if o.available} & {Verb.PROMOTE, Verb.PROMOTE_FULL, Verb.ABORT}
    assert offers[Verb.RETRY].label == "Try 1.3 again"


@pytest.mark.parametrize("left", [None, True])
def test_retry_clears_a_pause_that_a_lost_write_left_behind(left: bool | None) -> None:
    documents = edited(_case("aborted-and-scaled-down"), 0, {"status.controllerPause": left})

    found = plan(documents, Verb.RETRY)
    after = applied(documents, found.patches)[0]["status"]

    assert (after["abort"], bool(after.get("controllerPause"))) == (False, False)


def test_undo_of_a_paused_rollout_unpauses_it_in_the_same_write() -> None:
    documents = edited(_case(WAITS), 0, {"spec.paused": True})

    found = plan(documents, Verb.ROLLBACK)
    after = applied(documents, found.patches)[0]

    assert len(found.patches) == 1
    assert after["spec"]["paused"] is False
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1.0"
    assert "rollouts-pod-template-hash" not in after["spec"]["template"]["metadata"]["labels"]
    assert found.effect.revision == "6cd66bd884"


def test_undo_leaves_out_what_pods_bear_only_as_canary_or_stable() -> None:
    documents = _case(WAITS)
    hash_ = plan(documents, Verb.ROLLBACK).effect.revision
    kept = next(
        d
        for d in documents
        if d["kind"] == "ReplicaSet" and d["metadata"]["labels"]["rollouts-pod-template-hash"] == hash_
    )
    meta = kept["spec"]["template"].setdefault("metadata", {})
    meta["labels"] = {**meta.get("labels", {}), "role": "stable"}
    meta["annotations"] = {"slack": "#stable"}
    note = '{"labels": {"role": "stable"}, "annotations": {"slack": "#stable"}}'
    kept["metadata"].setdefault("annotations", {})["rollout.argoproj.io/ephemeral-metadata"] = note

    after = applied(documents, plan(documents, Verb.ROLLBACK).patches)[0]["spec"]["template"]["metadata"]

    assert "role" not in after["labels"]
    assert "annotations" not in after


def test_template_of_another_object_is_changed_there() -> None:
    documents = _case("template-is-that-of-a-deployment")
    name = next(d for d in documents if d["kind"] == "Deployment")["metadata"]["name"]
    container = next(d for d in documents if d["kind"] == "Deployment")["spec"]["template"]["spec"][
        "containers"
    ][0]

    found = plan(documents, Verb.SET_IMAGE, Arguments(images={container["name"]: "web:9"}))

    assert [(p.kind.name, p.name) for p in found.patches] == [("Deployment", name)]
    assert name in [q.name for q in engine_of(documents).queries(documents[0])]


def test_restart_is_a_time_in_the_spec_and_makes_no_revision() -> None:
    documents = _case(WAITS)

    found = plan(documents, Verb.RESTART)
    after = applied(documents, found.patches)

    assert after[0]["spec"]["restartAt"] == "2026-11-25T12:00:30Z"
    assert after[0]["spec"]["template"] == documents[0]["spec"]["template"]
    assert found.effect.met(state(documents)) is None
    assert found.effect.met(state(after))
