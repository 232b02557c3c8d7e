"""What holds for every engine and every case, and what each case must come out as."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.rollout import SETTLED, Phase, WaitKind
from app.engines import ENGINES, engine_for, relatives, roots, shapes
from app.engines.port import Kin
from tests.engines.objects import SHAPES, Case, cases, decode, differences, look, observe

ALL = list(cases())
UNOBSERVED = frozenset({"flagger", "service-switch"})
"""Engines whose root has no generation that a controller could have observed."""
each_case = pytest.mark.parametrize("case", ALL, ids=str)


@each_case
def test_case_comes_out_as_it_says(case: Case) -> None:
    state = msgspec.to_builtins(observe(case.documents, case.missing))

    assert not differences(case.expect, state)


@each_case
def test_engine_of_a_case_is_the_one_its_folder_names(case: Case) -> None:
    assert look(case.documents)[0].name == case.engine


@each_case
def test_same_objects_give_the_same_state_in_any_order_and_are_not_touched(case: Case) -> None:
    engine, root, kin = look(case.documents, case.missing)
    before = msgspec.json.encode([root, kin])
    turned: dict[str, Any] = {
        member.name: value[::-1]
        for member in fields(kin)
        if isinstance(value := getattr(kin, member.name), list)
    }

    first = engine.observe(root, kin)
    second = engine.observe(decode(case.documents[0]), replace(kin, **turned))

    assert first == second
    assert msgspec.json.encode([root, kin]) == before


@each_case
def test_state_that_is_not_settled_says_why_and_for_whom(case: Case) -> None:
    state = observe(case.documents, case.missing)

    if state.phase is Phase.UNKNOWN:
        assert state.message
    elif state.phase not in SETTLED:
        assert state.message
        assert state.waits_for.kind is not WaitKind.NOTHING
        assert state.waits_for.what
        assert state.progress < 100
    else:
        assert state.deadline_at is None


@pytest.mark.parametrize("case", [c for c in ALL if c.engine not in UNOBSERVED], ids=str)
def test_unseen_generation_is_pending(case: Case) -> None:
    documents = copy.deepcopy(case.documents)
    documents[0]["metadata"]["generation"] += 1

    state = observe(documents, case.missing)

    assert state.phase is Phase.PENDING
    assert state.progress == 0
    assert state.problems == ()


@each_case
def test_kinds_that_could_not_be_looked_at_never_raise(case: Case) -> None:
    kinds = {relation.kind.name for relation in look(case.documents)[0].relations}
    for gone in (*({kind} for kind in kinds), {"ReplicaSet", "Pod"}, kinds):
        state = observe(case.documents, frozenset(gone))

        assert state.pods == () or "Pod" not in gone
        assert state.phase in SETTLED or state.message


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every member that an object may lack."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [] if not at or at in (("kind",), ("metadata",)) else [at]
    return found + [path for key, child in inside for path in _paths(child, (*at, key))]


def _without(document: dict[str, Any], path: tuple[Any, ...], instead: object) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    *way, last = path
    parent = changed
    for key in way:
        parent = parent[key]
    if instead is ...:
        del parent[last]
    else:
        parent[last] = instead
    return changed


@settings(max_examples=300, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_deleting_any_optional_field_never_raises(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(ALL))
    at = data.draw(st.integers(0, len(case.documents) - 1))
    path = data.draw(st.sampled_from(_paths(case.documents[at])))
    documents = list(case.documents)
    documents[at] = _without(documents[at], path, data.draw(st.sampled_from([..., None])))
    try:
        if engine_for(decode(documents[0])) is None:
            return  # no workload without its annotation
        look(documents)
    except msgspec.ValidationError:
        return  # null where the API never writes it: the reader sets such an object aside

    observe(documents, case.missing)


@settings(max_examples=300, suppress_health_check=[HealthCheck.data_too_large])
@given(st.data())
def test_odd_numbers_and_texts_never_raise(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(ALL))
    at = data.draw(st.integers(0, len(case.documents) - 1))
    path = data.draw(st.sampled_from(_paths(case.documents[at])))
    odd = data.draw(
        st.one_of(
            st.integers(-(2**63), 2**63 - 1), st.text(max_size=30), st.sampled_from(["9" * 400, "²", "1.5h2"])
        )
    )
    documents = list(case.documents)
    documents[at] = _without(documents[at], path, odd)
    try:
        if engine_for(decode(documents[0])) is None:
            return
        look(documents)
    except (msgspec.ValidationError, KeyError):
        return

    state = observe(documents, case.missing)

    assert 0 <= state.progress <= 100
    assert state.weight is None or (0 <= state.weight.wanted <= 100 and 0 <= state.weight.actual <= 100)
    assert all(len(text) <= 1100 and text.isprintable() for text in (state.message, state.waits_for.what))
    told = [pod.message for pod in state.pods] + [problem.message for problem in state.problems]
    assert all(len(text) <= 500 and text.isprintable() for text in told)


def test_every_engine_has_cases() -> None:
    assert {engine.name for engine in ENGINES} == {case.engine for case in ALL}


def test_engine_names_are_unique_and_their_kinds_can_be_derived() -> None:
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)
    assert {kind.name for kind in (*roots(), *relatives())} <= set(SHAPES)


def test_root_is_read_by_the_engine_that_claims_it_and_by_no_other() -> None:
    for case in ALL:
        root = decode(case.documents[0])
        assert [engine.name for engine in ENGINES if engine.claims(root)] == [case.engine]
        for engine in ENGINES:
            if engine.root.name != case.documents[0]["kind"]:
                assert engine.observe(root, Kin()).phase is Phase.UNKNOWN


def test_bare_roots_are_pending_or_moving_and_never_good() -> None:
    for shape in (
        shapes.Deployment,
        shapes.Rollout,
        shapes.StatefulSet,
        shapes.DaemonSet,
        shapes.FlaggerCanary,
    ):
        root = shape(metadata=shapes.Meta(generation=1))
        engine = engine_for(root)
        assert engine is not None
        assert engine.observe(root, Kin()).phase is Phase.PENDING
