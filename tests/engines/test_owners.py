"""Who owns a workload, what it would undo, and how its automation is held and released."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.commands import Arguments, Verb
from app.domain.owners import Manager, Reverts, Source
from app.domain.targets import Record
from app.engines import offers as offers_of
from app.engines import owners
from app.engines.acting import Difference, NotOffered
from tests.engines.acts import NOW, Documents, applied, edited, engine_of, look, plan, state, versioned
from tests.engines.objects import cases

PLAIN = {f"{case.engine}/{case.name}": case for case in cases()}
TRACKED = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/web"}
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
FLUX_HELM = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "prod"}
HELM = {"app.kubernetes.io/managed-by": "Helm"}
UNTIL = NOW + timedelta(hours=2)


def _web(
    labels: dict[str, str] | None = None,
    notes: dict[str, str] | None = None,
    owners: list[dict[str, Any]] | None = None,
    name: str = "deployment/undo-takes-an-old-replicaset-into-use-again",
) -> Documents:
    documents = versioned(PLAIN[name].documents)
    meta = documents[0]["metadata"]
    meta["namespace"] = "prod"
    for other in documents[1:]:
        other["metadata"]["namespace"] = "prod"
    meta["name"] = "web"
    meta["labels"] = {**meta.get("labels", {}), **(labels or {})}
    meta["annotations"] = {**meta.get("annotations", {}), **(notes or {})}
    meta["ownerReferences"] = owners or []
    return documents


def _application(**automated: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {"syncPolicy": {"automated": automated}} if automated else {}
    history = [
        {"id": 3, "revision": "aaa", "source": {"repoURL": "git.test/shop"}},
        {"id": 4, "revision": "bbb", "source": {"repoURL": "git.test/shop"}},
    ]
    meta = {"name": "shop", "namespace": "argocd", "uid": "app-uid", "resourceVersion": "9"}
    return {"kind": "Application", "metadata": meta, "spec": spec, "status": {"history": history}}


def _kustomization(**spec: Any) -> dict[str, Any]:
    meta = {"name": "apps", "namespace": "flux-system", "uid": "ks-uid", "resourceVersion": "9"}
    return {"kind": "Kustomization", "metadata": meta, "spec": spec}


@pytest.mark.parametrize(
    ("documents", "manager", "reverts", "place"),
    [
        (_web(notes=TRACKED), Manager.ARGOCD, Reverts.UNKNOWN, "argocd/shop"),
        (
            _web(notes={"argocd.argoproj.io/tracking-id": "team_shop:apps/Deployment:prod/web"}),
            Manager.ARGOCD,
            Reverts.UNKNOWN,
            "team/shop",
        ),
        (_web(labels=FLUX), Manager.FLUX, Reverts.CONTINUOUS, "flux-system/apps"),
        (
            _web(labels=FLUX, notes={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}),
            Manager.FLUX,
            Reverts.NO,
            "flux-system/apps",
        ),
        (_web(labels=FLUX_HELM), Manager.FLUX_HELM, Reverts.UNKNOWN, "prod/web"),
        (
            _web(labels=HELM, notes={"meta.helm.sh/release-name": "shop"}),
            Manager.HELM,
            Reverts.ON_NEXT_REVISION,
            "prod/shop",
        ),
        (
            _web(
                owners=[{"kind": "Prometheus", "name": "main", "uid": "u", "controller": True}], labels=FLUX
            ),
            Manager.PARENT,
            Reverts.CONTINUOUS,
            "prod/main",
        ),
    ],
    ids=str,
)
def test_owner_is_known_by_what_it_leaves(
    documents: Documents, manager: Manager, reverts: Reverts, place: str
) -> None:
    owner = state(documents).owner

    assert owner is not None
    assert (owner.manager, owner.reverts) == (manager, reverts)
    assert f"{owner.namespace}/{owner.name}" == place
    assert owner.evidence


@pytest.mark.parametrize(
    "documents",
    [
        _web(),
        _web(notes={"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/other"}),
        _web(notes={"argocd.argoproj.io/tracking-id": "shop:apps/ReplicaSet:prod/web"}),
        _web(labels={"app.kubernetes.io/instance": "shop"}),
        _web(labels=HELM),
        _web(owners=[{"kind": "Prometheus", "name": "main", "uid": "u"}]),
    ],
    ids=str,
)
def test_copied_or_ambiguous_marks_make_no_owner(documents: Documents) -> None:
    assert state(documents).owner is None
    assert Verb.HOLD not in engine_of(documents).verbs(state(documents))


def test_flux_blocks_what_it_would_undo_and_leaves_the_rest() -> None:
    documents = _web(labels=FLUX)

    offers = engine_of(documents).verbs(state(documents))

    assert [b.rule for b in offers[Verb.ROLLBACK].blocked_by] == ["owner"]
    assert "Flux Kustomization apps would undo this" in offers[Verb.ROLLBACK].blocked_by[0].message
    assert offers[Verb.ROLLBACK].blocked_by[0].clears.startswith("Hold reconciliation first")
    assert not offers[Verb.SET_IMAGE].available
    assert offers[Verb.PAUSE].available
    assert offers[Verb.RESTART].available
    assert offers[Verb.HOLD].available


def test_parent_blocks_what_it_would_undo_and_cannot_be_held() -> None:
    documents = _web(owners=[{"kind": "Prometheus", "name": "main", "uid": "u", "controller": True}])

    offers = engine_of(documents).verbs(state(documents))

    assert offers[Verb.ROLLBACK].blocked_by[0].message == "Prometheus main made this and would undo it."
    assert Verb.HOLD not in offers


@pytest.mark.parametrize(
    ("application", "available", "says"),
    [
        (_application(prune=True, selfHeal=True), False, ""),
        (_application(prune=True), True, "undoes it with its next change"),
        (_application(selfHeal=True, enabled=False), True, ""),
        (_application(), True, ""),
    ],
    ids=["self-heal", "auto-sync", "switched off", "by hand"],
)
def test_plan_looks_at_the_application_itself(
    application: dict[str, Any], available: bool, says: str
) -> None:
    documents = [*_web(notes=TRACKED), application]
    presumed = engine_of(documents).verbs(state(documents))[Verb.ROLLBACK]
    assert presumed.available
    assert "may undo it" in presumed.sentence

    if not available:
        with pytest.raises(NotOffered, match="would undo this within seconds"):
            plan(documents, Verb.ROLLBACK)
        return
    found = plan(documents, Verb.ROLLBACK)
    assert found.patches
    assert says in found.sentence
    assert "may undo" not in found.sentence


def test_a_button_says_what_its_dialog_said_last() -> None:
    documents = [*_web(notes=TRACKED), _application(selfHeal=True)]
    found, _ = offers_of(engine_of(documents), state(documents), Record(undone=True))

    for verb in (Verb.ROLLBACK, Verb.SET_IMAGE, Verb.SYNC):
        with pytest.raises(NotOffered) as refused:
            plan(documents, verb)
        assert "may undo it" not in found[verb].sentence
        assert [b for b in found[verb].blocked_by if b.rule == "owner"] == [
            b for b in refused.value.blockers if b.rule == "owner"
        ]
    assert found[Verb.HOLD].available


def test_queries_ask_for_the_owners_object_where_it_is() -> None:
    documents = _web(notes=TRACKED)

    asked = [q for q in engine_of(documents).queries(documents[0]) if q.kind.name == "Application"]

    assert [(q.name, q.namespace, q.optional) for q in asked] == [("shop", "argocd", True)]


def test_hold_of_argocd_switches_auto_sync_off_and_marks_both_until_when() -> None:
    documents = [*_web(notes=TRACKED), _application(selfHeal=True)]

    found = plan(documents, Verb.HOLD, Arguments(until=UNTIL))
    after = applied(documents, found.patches)
    held = state(after)

    assert after[-1]["spec"]["syncPolicy"]["automated"] == {"selfHeal": True, "enabled": False}
    assert after[-1]["metadata"]["annotations"]["shipboard.dev/held-until"] == "2026-11-25T14:00:30Z"
    assert after[0]["spec"] == documents[0]["spec"]
    assert held.owner is not None
    assert held.owner.held_until == UNTIL.replace(microsecond=0)
    assert found.effect.met(held)
    assert found.effect.met(state(documents)) is None
    assert plan(after, Verb.ROLLBACK).patches
    with pytest.raises(NotOffered, match="held until"):
        plan(after, Verb.HOLD, Arguments(until=UNTIL))


def test_release_puts_back_what_hold_took() -> None:
    documents = [*_web(notes=TRACKED), _application(selfHeal=True)]
    held = applied(documents, plan(documents, Verb.HOLD, Arguments(until=UNTIL)).patches)

    found = plan(held, Verb.RELEASE)
    after = applied(held, found.patches)

    assert after[-1]["spec"]["syncPolicy"]["automated"] == {"selfHeal": True, "enabled": True}
    assert "shipboard.dev/held-until" not in after[-1]["metadata"]["annotations"]
    assert state(after).owner == state(documents).owner
    assert found.effect.met(state(after))
    with pytest.raises(NotOffered):
        plan(after, Verb.RELEASE)


def test_hold_that_somebody_took_back_blocks_again_and_releasing_only_tidies_up() -> None:
    documents = [*_web(notes=TRACKED), _application(selfHeal=True)]
    held = applied(documents, plan(documents, Verb.HOLD, Arguments(until=UNTIL)).patches)
    meddled = edited(held, len(held) - 1, {"spec.syncPolicy.automated.enabled": True})

    with pytest.raises(NotOffered, match="would undo this"):
        plan(meddled, Verb.ROLLBACK)
    again = applied(meddled, plan(meddled, Verb.HOLD, Arguments(until=UNTIL + timedelta(hours=1))).patches)
    assert again[-1]["spec"]["syncPolicy"]["automated"]["enabled"] is False
    assert applied(meddled, plan(meddled, Verb.RELEASE).patches)[-1]["spec"] == meddled[-1]["spec"]


@pytest.mark.parametrize("until", [None, NOW, NOW - timedelta(hours=1)])
def test_hold_without_an_end_that_lies_ahead_is_refused(until: Any) -> None:
    documents = [*_web(notes=TRACKED), _application(selfHeal=True)]

    with pytest.raises(NotOffered, match="needs an end"):
        plan(documents, Verb.HOLD, Arguments(until=until))


def test_hold_of_what_syncs_by_hand_has_nothing_to_do() -> None:
    found = plan([*_web(notes=TRACKED), _application()], Verb.HOLD, Arguments(until=UNTIL))

    assert found.patches == ()
    assert "nothing to hold" in found.sentence


def test_hold_needs_to_see_the_owner() -> None:
    with pytest.raises(NotOffered, match="cannot be looked at"):
        plan(_web(notes=TRACKED), Verb.HOLD, Arguments(until=UNTIL))


def test_flux_is_suspended_and_resumed() -> None:
    documents = [*_web(labels=FLUX), _kustomization(interval="10m")]

    held = applied(documents, plan(documents, Verb.HOLD, Arguments(until=UNTIL)).patches)
    after = applied(held, plan(held, Verb.RELEASE).patches)

    assert held[-1]["spec"] == {"interval": "10m", "suspend": True}
    assert plan(held, Verb.ROLLBACK).patches
    assert after[-1]["spec"] == {"interval": "10m", "suspend": False}
    with pytest.raises(NotOffered, match="next interval"):
        plan(after, Verb.ROLLBACK)


def test_sync_goes_to_a_revision_of_the_history_and_only_while_nothing_syncs_by_itself() -> None:
    documents = [*_web(notes=TRACKED), _application()]

    found = plan(documents, Verb.SYNC, Arguments(revision="aaa"))
    operation = applied(documents, found.patches)[-1]["operation"]

    assert operation["sync"]["revision"] == "aaa"
    assert operation["sync"]["source"] == {"repoURL": "git.test/shop"}
    assert operation["sync"]["prune"] is False
    assert (found.from_ and found.from_.version, found.to and found.to.version) == ("bbb", "aaa")
    assert found.difference == (Difference("revision of the source", "bbb", "aaa"),)
    by_id = plan(documents, Verb.SYNC, Arguments(revision="3"))
    assert applied(documents, by_id.patches)[-1]["operation"] == operation
    with pytest.raises(NotOffered, match="no such revision"):
        plan(documents, Verb.SYNC, Arguments(revision="ccc"))
    leaving = [*documents[:-1], _application()]
    leaving[-1]["metadata"]["deletionTimestamp"] = "2026-11-25T11:00:00Z"
    with pytest.raises(NotOffered, match="being deleted"):
        plan(leaving, Verb.SYNC, Arguments(revision="aaa"))
    with pytest.raises(NotOffered, match="go forward again"):
        plan([*_web(notes=TRACKED), _application(prune=True)], Verb.SYNC, Arguments(revision="aaa"))


def test_targets_of_a_sync_are_the_history_the_one_before_the_last_first() -> None:
    application = _application()
    application["spec"] = {
        "source": {"repoURL": "https://git.test/shop.git"},
        "syncPolicy": {"syncOptions": ["CreateNamespace=true"]},
    }
    application["status"]["history"] = [
        {"id": 1, "revision": "a" * 40, "deployedAt": "2026-11-01T10:00:00Z"},
        {"id": 2, "revision": "b" * 40, "deployedAt": "2026-11-02T10:00:00Z", "source": {"repoURL": "r"}},
        {
            "id": 3,
            "revisions": ["b" * 40, "1.2.3"],
            "deployedAt": "not a time",
            "sources": [{"repoURL": "r"}],
        },
        {"revision": "no id"},
    ]
    application["status"]["sync"] = {"revision": "c" * 40}
    documents = [*_web(notes=TRACKED), application]
    seen = look(documents)

    found = owners.targets(state(documents), seen)

    assert [(t.revision.key, bool(t.blocked_by), t.note) for t in found] == [
        ("2", False, ""),
        ("1", True, ""),
        ("3", False, "It was synced last."),
    ]
    assert found[0].landed_at == datetime(2026, 11, 2, 10, tzinfo=UTC)
    assert found[-1].revision.version == f"{'b' * 40}, 1.2.3"
    assert owners.source(state(documents), seen) == Source("git.test/shop", "c" * 40)
    asked = applied(documents, plan(documents, Verb.SYNC, Arguments(revision="3")).patches)[-1]["operation"][
        "sync"
    ]
    assert (asked["revisions"], asked["sources"]) == (["b" * 40, "1.2.3"], [{"repoURL": "r"}])
    assert asked["syncOptions"] == ["CreateNamespace=true"]
    with pytest.raises(NotOffered, match="does not tell the source"):
        plan(documents, Verb.SYNC, Arguments(revision="1"))
    application["status"]["history"] = application["status"]["history"][:1]
    assert owners.targets(state(documents), look(documents)) == (), "there is nothing before it"


def test_sync_does_nothing_while_an_operation_runs() -> None:
    documents = [*_web(notes=TRACKED), _application()]
    found = plan(documents, Verb.SYNC, Arguments(revision="aaa"))
    running = edited(documents, len(documents) - 1, {"operation": {"sync": {}}})

    tests = {op["path"]: op["value"] for op in found.patches[0].body if op["op"] == "test"}
    assert tests["/operation"] is None
    with pytest.raises(NotOffered, match="operation"):
        plan(running, Verb.SYNC, Arguments(revision="aaa"))


@pytest.mark.parametrize("name", ["argo-rollouts/canary-waits-at-20-percent-for-a-person"])
def test_status_of_a_rollout_is_never_drift(name: str) -> None:
    documents = _web(notes={"argocd.argoproj.io/tracking-id": "shop:argoproj.io/Rollout:prod/web"}, name=name)

    for verb in (Verb.PROMOTE, Verb.ABORT):
        found = plan([*documents, _application(selfHeal=True)], verb)
        assert found.patches
        assert "Argo CD" not in found.sentence
