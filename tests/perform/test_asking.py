"""A version that is good in staging asks to come into production: when it is new there, calm, and still the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.delivery import Delivery, Rules
from app.domain.evidence import NOTHING
from app.domain.forges import CallKind, Dispatch
from app.domain.gates import Gate, Origin, seal
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Revision
from app.domain.rollout import Health, Phase, Pod, PodCondition, PodCounts, RolloutState, Strategy
from app.perform.asking import CALM, holds_still, questions
from app.store.commands import Known

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ORDER = ("staging", "production")
DELIVERY = Delivery(ORDER, {name: Rules(name) for name in ORDER})


def known(environment: str, version: str, age: timedelta, *past: str, **more: object) -> Known:
    """The Deployment of `cart`, at a version since `age`, with the versions it had before."""
    made = NOW - age
    kept = [
        Revision(f"{environment}-{v}", n, (f"acme/cart:{v}",), v, created_at=made - n * timedelta(days=1))
        for n, v in enumerate((version, *past))
    ]
    state = RolloutState(
        phase=Phase.IDLE,
        health=Health.HEALTHY,
        strategy=Strategy.ROLLING,
        revision=kept[0],
        revisions=tuple(kept),
        counts=PodCounts(2, 2, 2, 2, 2),
        pods=(Pod("a", kept[0].key, True, PodCondition.READY, since=made),),
    )
    ref = WorkloadRef("east", environment, "Deployment", "cart")
    state = replace(state, **more)  # type: ignore[arg-type]
    return Known(f"east:{environment}", ref, Place("cart", environment), "deployment", state, NOW)


LIVE = known("production", "1.0", timedelta(days=3), "0.9")
GOOD = known("staging", "1.1", 2 * CALM)


def test_new_version_that_is_good_asks_to_come_in():
    (question,) = questions([LIVE, GOOD], DELIVERY, NOW).values()
    subject = question.subject
    assert (question.origin, subject.question) == (Origin.PROMOTION, "May 1.1 go to production?")
    assert (subject.target, subject.source, subject.came_from) == (LIVE.ref, GOOD.key, "staging")
    assert (subject.before.name, subject.after.images) == ("1.0", ("acme/cart:1.1",))
    assert subject.expected.revision == "production-1.0"


@pytest.mark.parametrize(
    "source",
    [
        known("staging", "1.0", 2 * CALM),
        known("staging", "0.9", 2 * CALM),
        known("staging", "1.1", CALM / 2),
        known("staging", "1.1", timedelta(days=9)),
        known("staging", "1.1", 2 * CALM, health=Health.DEGRADED),
        known("staging", "1.1", 2 * CALM, phase=Phase.PROGRESSING),
        known("staging", "1.1", 2 * CALM, counts=PodCounts()),
        replace(GOOD, place=Place("other", "staging")),
    ],
    ids=[
        "same",
        "older there",
        "too young",
        "older than live",
        "broken",
        "moving",
        "no pods",
        "another service",
    ],
)
def test_nothing_is_asked_about_what_is_not_new_and_good(source):
    assert questions([LIVE, source], DELIVERY, NOW) == {}


def test_question_stands_while_its_version_stumbles_and_falls_with_it():
    (question,) = questions([LIVE, GOOD], DELIVERY, NOW).values()
    gate = Gate("g", question.key, question.origin, question.subject, NOW, NOW, evidence=NOTHING)

    def stands(*seen: Known) -> bool:
        return holds_still(gate, questions(seen, DELIVERY, NOW), {each.key: each for each in seen})

    assert stands(LIVE, GOOD)
    assert stands(LIVE, replace(GOOD, state=replace(GOOD.state, health=Health.DEGRADED)))
    assert not stands(LIVE, known("staging", "1.2", 2 * CALM))
    assert not stands(known("production", "1.0.1", timedelta(hours=1), "1.0"), GOOD)
    assert not stands(LIVE)


def test_where_a_workflow_rolls_out_a_yes_starts_it_and_another_one_is_another_question():
    dispatch = Dispatch("acme", "github.com/Acme/{service}", "deploy.yaml", ref="v{version}")
    rules = {"staging": Rules("staging"), "production": Rules("production", dispatch=dispatch)}
    (question,) = questions([LIVE, GOOD], Delivery(ORDER, rules), NOW).values()
    subject, call = question.subject, question.subject.call
    assert call is not None
    assert (subject.verb, call.kind, call.repo, call.ref) == (
        None,
        CallKind.WORKFLOW,
        "github.com/acme/cart",
        "v1.1",
    )
    assert subject.then == "GitHub starts deploy.yaml of github.com/acme/cart at v1.1."
    other = replace(subject, call=replace(call, workflow="other.yaml"))
    assert seal(subject, NOTHING, "") != seal(other, NOTHING, "")
