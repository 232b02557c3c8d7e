"""What holds for the plan side of every engine, for every case and every verb."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.commands import VERBS, Arguments, Verb
from app.engines import ENGINES
from app.engines.acting import STAMP as MARK
from app.engines.acting import VERSION_AFTER, NotOffered, Patch, Plan, Unreadable
from tests.engines.acts import (
    NOW,
    STAMP,
    Conflict,
    applied,
    asked,
    engine_of,
    look,
    plan,
    state,
    versioned,
)
from tests.engines.objects import Case, cases

ALL = list(cases())
each_case = pytest.mark.parametrize("case", ALL, ids=str)


UNTOLD = {
    ("referenced-workload-changed-but-not-yet-noticed", verb) for verb in (Verb.ROLLBACK, Verb.SET_IMAGE)
}
"""What a state cannot know: that the Deployment whose template a Rollout uses was not found."""
_made: dict[str, list[tuple[Verb, Plan]]] = {}


def _plans(case: Case) -> list[tuple[Verb, Plan]]:
    if str(case) not in _made:
        documents = versioned(case.documents)
        offers = engine_of(documents).verbs(state(documents, case.missing))
        _made[str(case)] = [
            (verb, plan(documents, verb, missing=case.missing))
            for verb, offer in offers.items()
            if offer.available and (case.name, verb) not in UNTOLD
        ]
    return _made[str(case)]


@each_case
def test_every_verb_is_offered_and_planned_or_refused_with_the_same_reasons(case: Case) -> None:
    documents = versioned(case.documents)
    offers = engine_of(documents).verbs(state(documents, case.missing))

    for verb in Verb:
        offer = offers.get(verb)
        if offer is not None and offer.available and (case.name, verb) not in UNTOLD:
            assert plan(documents, verb, missing=case.missing).sentence
            continue
        with pytest.raises(NotOffered) as refused:
            plan(documents, verb, missing=case.missing)
        assert refused.value.blockers
        assert all(blocker.message for blocker in refused.value.blockers)
        if offer is not None and not offer.available:
            assert refused.value.blockers == offer.blocked_by


@each_case
def test_words_of_offers_can_be_read_by_people(case: Case) -> None:
    offers = engine_of(case.documents).verbs(state(case.documents, case.missing))

    for verb, offer in offers.items():
        assert offer.verb is verb
        assert offer.label
        assert offer.sentence.endswith((".", "?"))
        assert all(b.message.endswith((".", "?")) and b.rule for b in offer.blocked_by)
        assert len(set(offer.targets)) == len(offer.targets)
        for text in (offer.label, offer.sentence, *(b.message for b in offer.blocked_by)):
            assert "None" not in text
            assert "  " not in text


@each_case
def test_every_patch_names_the_object_and_the_version_that_were_looked_at(case: Case) -> None:
    documents = versioned(case.documents)
    there = {(d["kind"], d["metadata"]["name"]): d["metadata"] for d in documents}

    for _, found in _plans(case):
        for i, patch in enumerate(found.patches):
            meta = there[patch.kind.name, patch.name]
            version = VERSION_AFTER if patch.after_first else meta["resourceVersion"]
            assert _preconditions(patch) == (meta["uid"], version)
            assert i > 0 or not patch.after_first
            assert patch.path().endswith(
                f"/{patch.name}" + (f"/{patch.subresource}" if patch.subresource else "")
            )


@each_case
def test_writes_are_absolute_and_mark_the_main_resource(case: Case) -> None:
    for _, found in _plans(case):
        for patch in found.patches:
            writes = [op for op in patch.body if op["op"] != "test"] if not patch.delete else []
            assert {op["op"] for op in writes} <= {"add", "replace", "remove"}
            marked = any(STAMP in str(op.get("value")) for op in writes)
            assert marked is (patch.subresource == "" and not patch.delete), MARK
            assert (
                all(op["path"].startswith("/status") for op in writes) is (patch.subresource == "status")
                or not writes
            )


@each_case
def test_applying_a_plan_twice_changes_nothing_more(case: Case) -> None:
    documents = versioned(case.documents)

    for verb, found in _plans(case):
        after = applied(documents, found.patches)
        assert (after != documents) is bool(found.patches)
        if found.patches:
            with pytest.raises(Conflict):
                applied(after, found.patches)
        try:
            again = plan(after, verb, asked(documents, verb), missing=case.missing)
        except NotOffered:
            continue
        if _steps(verb, found):
            continue
        assert again.patches == ()


def _steps(verb: Verb, found: Plan) -> bool:
    """Whether asking again is asking for something else: the next pod of a partition, the switch back, the undo of the
    undo. What a second click of the same page means is refused by the version."""
    return bool(found.patches) and verb in (Verb.PROMOTE, Verb.SWITCH, Verb.ROLLBACK)


@each_case
def test_plan_is_the_same_twice_and_leaves_its_look_alone(case: Case) -> None:
    documents = versioned(case.documents)
    engine, seen = engine_of(documents), look(documents, case.missing)
    before = copy.deepcopy(seen)

    for verb, found in _plans(case):
        arguments = asked(documents, verb)
        assert engine.plan(verb, seen, arguments, now=NOW, stamp=STAMP) == found
    assert seen == before


@each_case
def test_effect_is_not_there_before_and_survives_being_stored(case: Case) -> None:
    documents = versioned(case.documents)
    now = state(documents, case.missing)

    for verb, found in _plans(case):
        if found.patches and verb not in (Verb.SET_IMAGE, Verb.PROMOTE_FULL):
            assert found.effect.met(now) is not True, verb
        assert not found.effect.lost(now)
        stored = msgspec.json.encode(found.effect)
        assert msgspec.json.decode(stored, type=type(found.effect)) == found.effect


@each_case
def test_queries_name_kinds_that_the_engine_reads(case: Case) -> None:
    engine = engine_of(case.documents)
    readable = {relation.kind.name for relation in engine.relations}

    asked_for = engine.queries(case.documents[0])

    assert {query.kind.name for query in asked_for} <= readable | {
        "Application",
        "Kustomization",
        "HelmRelease",
        "HorizontalPodAutoscaler",
    }


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [] if not at or at == ("kind",) else [at]
    return found + [path for key, child in inside for path in _paths(child, (*at, key))]


@settings(max_examples=150, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_odd_objects_are_refused_or_planned_and_never_raise_anything_else(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(ALL))
    documents = versioned(case.documents)
    at = data.draw(st.one_of(st.just(0), st.integers(0, len(documents) - 1)))
    *way, last = data.draw(st.sampled_from(_paths(documents[at])))
    parent: Any = documents[at]
    for key in way:
        parent = parent[key]
    odd: Any = data.draw(st.sampled_from([..., None, "", "x", -1, 2**40, [], {}, [{}], {"a": None}]))
    engine, seen = engine_of(documents), look(documents, case.missing)
    if odd is ...:
        del parent[last]
    else:
        parent[last] = odd

    with contextlib.suppress(Unreadable):
        assert isinstance(engine.queries(documents[0]), tuple)
    for verb in Verb:
        for arguments in (asked(case.documents, verb), Arguments(revision="x", images={"x": "y"}, weight=1)):
            with contextlib.suppress(NotOffered, Unreadable):
                assert engine.plan(verb, seen, arguments, now=NOW, stamp=STAMP).sentence


def test_every_engine_offers_something_and_every_verb_is_somebodys() -> None:
    known: dict[str, set[Verb]] = {engine.name: set() for engine in ENGINES}
    for case in ALL:
        known[case.engine] |= set(engine_of(case.documents).verbs(state(case.documents, case.missing)))

    assert all(known.values())
    assert set.union(*known.values()) | {Verb.HOLD, Verb.RELEASE, Verb.SYNC} == set(VERBS)


def _preconditions(patch: Patch) -> tuple[Any, Any]:
    if patch.delete:
        held = patch.body["preconditions"]
        return held["uid"], held["resourceVersion"]
    tests = {op["path"]: op["value"] for op in patch.body if op["op"] == "test"}
    return tests["/metadata/uid"], tests["/metadata/resourceVersion"]
