"""Plans for Deployments, StatefulSets and DaemonSets where they are more than a field set."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.domain.commands import Arguments, Verb
from app.domain.rollout import Phase
from app.engines.acting import NotOffered
from tests.engines.acts import Documents, applied, edited, engine_of, plan, state, versioned
from tests.engines.objects import cases

CASES = {f"{case.engine}/{case.name}": case for case in cases()}


def _case(name: str) -> Documents:
    return versioned(CASES[name].documents)


def _offers(documents: Documents) -> dict[Verb, Any]:
    return dict(engine_of(documents).verbs(state(documents)))


def test_pause_says_what_stands_where() -> None:
    offer = _offers(_case("deployment/half-way-through-a-rolling-update"))[Verb.PAUSE]

    assert offer.label == "Pause"
    assert offer.sentence.startswith("Pods stay as they are: ")


def test_paused_deployment_offers_to_resume_and_not_to_pause_or_restart() -> None:
    offers = _offers(_case("deployment/paused-half-way"))

    assert [b.message for b in offers[Verb.PAUSE].blocked_by] == ["It is already standing still."]
    assert offers[Verb.RESUME].available
    assert not offers[Verb.RESTART].available
    assert "Resume first." in offers[Verb.RESTART].blocked_by[0].clears


def test_undo_of_a_paused_deployment_resumes_it_in_the_same_write() -> None:
    documents = _case("deployment/paused-half-way")

    found = plan(documents, Verb.ROLLBACK)
    after = applied(documents, found.patches)[0]

    assert len(found.patches) == 1
    assert after["spec"]["paused"] is False
    assert "resumed in the same write" in found.sentence


def test_undo_takes_the_change_cause_along_and_forgets_a_stale_one() -> None:
    documents = _case("deployment/undo-takes-an-old-replicaset-into-use-again")
    documents[0]["metadata"]["annotations"] |= {"kubernetes.io/change-cause": "newer", "team": "shop"}
    target = state(documents).revisions[1].key
    at = next(i for i, d in enumerate(documents) if d["metadata"]["uid"] == target)
    told = edited(documents, at, {"metadata.annotations": {"kubernetes.io/change-cause": "older"}})

    with_cause = applied(told, plan(told, Verb.ROLLBACK, Arguments(revision=target)).patches)[0]
    without = applied(documents, plan(documents, Verb.ROLLBACK, Arguments(revision=target)).patches)[0]

    assert with_cause["metadata"]["annotations"]["kubernetes.io/change-cause"] == "older"
    assert "kubernetes.io/change-cause" not in without["metadata"]["annotations"]
    assert with_cause["metadata"]["annotations"]["team"] == "shop"
    assert "pod-template-hash" not in with_cause["spec"]["template"]["metadata"]["labels"]


def test_undo_to_what_runs_already_is_done_and_to_what_is_not_kept_is_refused() -> None:
    documents = _case("deployment/complete-and-healthy")
    current = state(documents).revision
    assert current is not None
    older = _case("deployment/half-way-through-a-rolling-update")
    running = state(older).revision
    assert running is not None

    assert plan(older, Verb.ROLLBACK, Arguments(revision=running.key)).patches == ()
    with pytest.raises(NotOffered, match="not kept"):
        plan(older, Verb.ROLLBACK, Arguments(revision="nobody"))


def test_targets_begin_with_the_revision_that_serves() -> None:
    documents = _case("deployment/half-way-through-a-rolling-update")
    now = state(documents)
    assert now.stable is not None

    offer = _offers(documents)[Verb.ROLLBACK]

    assert offer.targets[0] == now.stable.key
    assert offer.label == f"Back to {now.stable.version}"
    assert "which still runs on" in offer.sentence


@pytest.mark.parametrize(
    ("images", "why"),
    [
        ({}, "No image"),
        ({"nobody": "web:2"}, "no container of that name"),
        ({"web": ""}, "not an image"),
        ({"web": "web:2 --privileged"}, "not an image"),
        ({"web": "web\x00:2"}, "not an image"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: dict[str, str], why: str) -> None:
    documents = _case("deployment/half-way-through-a-rolling-update")
    name = documents[0]["spec"]["template"]["spec"]["containers"][0]["name"]
    fitting = {name if key == "web" else key: value for key, value in images.items()}

    with pytest.raises(NotOffered, match=why):
        plan(documents, Verb.SET_IMAGE, Arguments(images=fitting))


def test_an_image_that_is_set_already_is_nothing_to_do() -> None:
    documents = _case("deployment/complete-and-healthy")
    container = documents[0]["spec"]["template"]["spec"]["containers"][0]

    found = plan(documents, Verb.SET_IMAGE, Arguments(images={container["name"]: container["image"]}))

    assert found.patches == ()
    assert "nothing is to be done" in found.sentence


def test_restart_is_refused_where_there_are_no_pods() -> None:
    with pytest.raises(NotOffered, match="scaled to zero"):
        plan(_case("deployment/scaled-to-zero"), Verb.RESTART)


def test_partition_is_lowered_by_one_and_then_to_nothing() -> None:
    documents = _case("statefulset/partition-is-reached-and-waits-for-a-person")
    held = state(documents).pace.partition

    step = plan(documents, Verb.PROMOTE)
    full = plan(documents, Verb.PROMOTE_FULL)
    after = applied(documents, step.patches)

    assert _partition(after) == held - 1
    assert _partition(applied(documents, full.patches)) == 0
    assert step.effect.held == held - 1
    assert "of 4 pods" in _offers(documents)[Verb.PROMOTE].label
    assert state(after).pace.partition == held - 1
    with pytest.raises(NotOffered, match="not reached its partition"):
        plan(after, Verb.PROMOTE)


def test_partition_beyond_all_pods_counts_from_the_last_one() -> None:
    documents = _case("statefulset/partition-above-all-ordinals-holds-every-pod-back")
    wanted = state(documents).counts.wanted

    assert _partition(applied(documents, plan(documents, Verb.PROMOTE).patches)) == wanted - 1


def test_set_without_a_partition_has_nothing_to_promote() -> None:
    offers = _offers(_case("statefulset/updates-from-the-highest-ordinal-down"))

    assert "No partition" in offers[Verb.PROMOTE].blocked_by[0].message


def test_pod_that_blocks_after_an_undo_is_deleted_and_nothing_else_written() -> None:
    documents = _case("statefulset/broken-pod-stays-after-an-undo")

    offer = _offers(documents)[Verb.ROLLBACK]
    freed = plan(documents, Verb.ROLLBACK, Arguments(delete_blocking=True))
    left = plan(documents, Verb.ROLLBACK, Arguments())

    assert offer.label.startswith("Free ")
    assert [(p.kind.name, p.name, p.delete) for p in freed.patches] == [("Pod", "db-3", True)]
    assert freed.effect.met(state(documents)) is None
    assert freed.effect.met(state(applied(documents, freed.patches)))
    assert left.patches == ()


def test_healthy_pods_and_pods_of_a_parallel_set_are_never_deleted() -> None:
    documents = _case("statefulset/bad-image-blocks-the-pods-below")
    parallel = copy.deepcopy(documents)
    parallel[0]["spec"]["podManagementPolicy"] = "Parallel"

    doomed = [
        p.name for p in plan(documents, Verb.ROLLBACK, Arguments(delete_blocking=True)).patches if p.delete
    ]

    assert doomed == ["db-3"]
    assert not [p for p in plan(parallel, Verb.ROLLBACK, Arguments(delete_blocking=True)).patches if p.delete]


def test_deleting_broken_pods_is_refused_where_none_can_block() -> None:
    documents = _case("deployment/half-way-through-a-rolling-update")
    with pytest.raises(NotOffered, match="delete_blocking does nothing here"):
        plan(documents, Verb.ROLLBACK, Arguments(delete_blocking=True))


def test_sets_that_are_updated_by_hand_say_so() -> None:
    for name in ("statefulset", "daemonset"):
        offers = _offers(_case(f"{name}/on-delete-waits-for-somebody-to-delete-pods"))
        assert all("somebody deletes them" in offers[v].sentence for v in (Verb.RESTART, Verb.ROLLBACK))


def test_unseen_change_can_still_be_paused() -> None:
    documents = _case("deployment/spec-changed-but-not-yet-noticed")
    assert state(documents).phase is Phase.PENDING

    found = plan(documents, Verb.PAUSE)

    assert found.patches
    assert found.effect.met(state(applied(documents, found.patches))) is None, "not before it is noticed"


def _partition(documents: Documents) -> int:
    return int(documents[0]["spec"]["updateStrategy"]["rollingUpdate"]["partition"])
