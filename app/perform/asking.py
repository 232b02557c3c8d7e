"""Which questions stand open, told from what is observed: rollouts that wait for a person, and versions that are good
in one environment and not yet in the next. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.commands import Expected, Offer, Verb
from app.domain.delivery import Delivery
from app.domain.forges import Dispatch
from app.domain.gates import Gate, Origin, Subject, Version
from app.domain.revisions import Revision
from app.domain.rollout import SETTLED, Attention, Health, RolloutState, Strategy, attention
from app.engines import ENGINES
from app.store.commands import Known

ONWARD = (Verb.PROMOTE, Verb.RESUME, Verb.SWITCH, Verb.PROMOTE_FULL)
"""What a yes to a waiting rollout asks for: the first of these that is offered."""
ASK_THEMSELVES = frozenset({"flagger"})
"""Engines that come and ask by webhook."""

CALM = timedelta(seconds=30)
"""How long a version has to be good before it is asked about: many that crash are ready for a moment first."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be asked; `key` is the same as long as it is the same question, `since` when it arose; `thread` is
    what a forge's question belongs to (domain.forges.Asked)."""

    key: str
    origin: Origin
    subject: Subject
    since: datetime | None = None
    thread: str = ""


def questions(seen: Sequence[Known], delivery: Delivery, now: datetime) -> Mapping[str, Question]:
    """All questions that `seen` (the workloads of whole services) raise, by key."""
    found = [q for known in seen if (q := _of_rollout(known, seen, delivery))]
    found += _promotions(seen, delivery, now)
    return {question.key: question for question in found}


def holds_still(gate: Gate, raised: Mapping[str, Question], seen: Mapping[str, Known]) -> bool:
    """Whether a gate's question is still raised; that of a promotion is also while its version only stumbles: a rule
    says so then, and votes are kept."""
    if gate.key.partition("#")[0] in raised:
        return True
    if gate.origin is not Origin.PROMOTION:
        return False
    source, target = seen.get(gate.subject.source), seen.get(gate.subject.workload)
    new, live = source and source.state.revision, target and target.state.revision
    same = bool(new and set(new.images) == set(gate.subject.after.images))
    return same and bool(live and live.key == gate.subject.expected.revision)


def moving(seen: Iterable[Known], gate: Gate) -> tuple[str, ...]:
    """What moves of the gate's service in its environment, apart from the rollout the gate is about."""
    subject = gate.subject
    return tuple(
        known.ref.name
        for known in seen
        if known.place.service == subject.service
        and known.place.environment == subject.environment
        and (gate.origin is Origin.PROMOTION or known.key != subject.workload)
        and attention(known.state) in (Attention.MOVING, Attention.WAITING)
    )


def backward(state: RolloutState) -> bool:
    """Whether the rollout goes back: the revision it goes to is older than the one that serves."""
    new, old = state.revision, state.stable
    return bool(new and old and new.created_at and old.created_at and new.created_at < old.created_at)


def _of_rollout(known: Known, seen: Sequence[Known], delivery: Delivery) -> Question | None:
    state, place = known.state, known.place
    if known.engine in ASK_THEMSELVES or attention(state) is not Attention.WAITING or backward(state):
        return None
    offers = _offers(known)
    verb = next((v for v in ONWARD if v in offers and offers[v].available), None)
    if verb is None or state.revision is None:
        return None
    abort = offers.get(Verb.ABORT)
    otherwise = abort if abort and abort.available else None
    since = state.waits_for.since
    expected = Expected(
        known.key.partition(":")[2],
        state.revision.key,
        state.stable.key if state.stable else "",
        state.step_index,
        None,
        since,
    )
    mark = (
        f"{state.revision.key}|{state.step_index}|{since.isoformat() if since else ''}|{state.pace.partition}"
    )
    key = f"rollout|{known.key}|{mark}"
    subject = Subject(
        place.service,
        place.environment,
        _question(state, place.environment),
        _version(state.stable),
        _version(state.revision),
        came_from=delivery.before(place.environment),
        target=known.ref,
        workload=known.key,
        source=_source(known, seen, delivery),
        expected=expected,
        verb=verb,
        otherwise=Verb.ABORT if otherwise else None,
        then=offers[verb].sentence,
        else_=otherwise.sentence if otherwise else "It stays where it is, and nothing asks again.",
        stands=_stands(state),
        team=place.team,
    )
    return Question(key, Origin.ROLLOUT, subject, since)


def _promotions(seen: Sequence[Known], delivery: Delivery, now: datetime) -> list[Question]:
    found = []
    for target in seen:
        rules = delivery.of(target.place.environment)
        before = delivery.before(target.place.environment)
        if not rules.promotes or not before or target.engine in ASK_THEMSELVES:
            continue
        sources = [s for s in seen if _feeds(s, target, before)]
        if not sources or not _alike(sources) or not all(_is_new(s, target, now) for s in sources):
            continue
        if rules.dispatch or Verb.SET_IMAGE in _offers(target):
            found.append(_promotion(sources[0], target, rules.dispatch))
    return found


def _promotion(source: Known, target: Known, dispatch: Dispatch | None) -> Question:
    place, new, old = target.place, source.state.revision, target.state.revision
    assert new is not None
    version = new.version or "the new version"
    was = old.version if old else ""
    known = {"service": place.service, "environment": place.environment, "version": new.version}
    call = dispatch.call(known | {"image": new.images[0]}) if dispatch else None
    then = f"{version} is rolled out in {place.environment}, as {target.ref.kind}s are."
    if call:
        then = f"{call.forge} starts {call.workflow or 'a pipeline'} of {call.repo} at {call.ref}."
    subject = Subject(
        place.service,
        place.environment,
        f"May {version} go to {place.environment}?",
        _version(old),
        _version(new),
        came_from=source.place.environment,
        target=target.ref,
        workload=target.key,
        source=source.key,
        expected=Expected(target.key.partition(":")[2], old.key if old else ""),
        verb=None if call else Verb.SET_IMAGE,
        then=then,
        else_=f"{place.environment} stays at {was or 'what it runs'}; the next version is asked about again.",
        stands=f"good in {source.place.environment}",
        team=place.team,
        call=call,
    )
    key = f"promotion|{target.key}|{old.key if old else ''}|{'+'.join(new.images)}"
    return Question(key, Origin.PROMOTION, subject)


def _feeds(source: Known, target: Known, before: str) -> bool:
    same = source.place.service == target.place.service and source.place.environment == before
    return same and source.ref.name == target.ref.name


def _is_new(source: Known, target: Known, now: datetime) -> bool:
    """Whether the source is good, and runs what the target has not had yet."""
    new, live = source.state.revision, target.state.revision
    if new is None or not new.images or live is None or not source.state.counts.wanted:
        return False
    if source.state.phase not in SETTLED or source.state.health is not Health.HEALTHY:
        return False
    ready = max((pod.since for pod in source.state.pods if pod.since), default=new.created_at)
    if ready is None or now - ready < CALM:
        return False
    if any(set(kept.images) == set(new.images) for kept in target.state.revisions):
        return False
    return bool(new.created_at and live.created_at and new.created_at > live.created_at)


def _alike(sources: Sequence[Known]) -> bool:
    return len({s.state.revision.images if s.state.revision else () for s in sources}) == 1


def _source(known: Known, seen: Sequence[Known], delivery: Delivery) -> str:
    """Where the same version runs in the environment before."""
    before, new = delivery.before(known.place.environment), known.state.revision
    if not before or new is None:
        return ""
    for each in seen:
        there = each.state.revision
        if _feeds(each, known, before) and there and set(there.images) == set(new.images):
            return each.key
    return ""


def _offers(known: Known) -> Mapping[Verb, Offer]:
    engine = next((e for e in ENGINES if e.name == known.engine), None)
    return engine.verbs(known.state) if engine else {}


def _version(revision: Revision | None) -> Version:
    return Version(revision.version, revision.images) if revision else Version()


def _question(state: RolloutState, environment: str) -> str:
    version = (state.revision.version if state.revision else "") or "it"
    if state.strategy in (Strategy.BLUE_GREEN, Strategy.MANUAL_SWITCH):
        return f"May {version} take the traffic in {environment}?"
    if state.strategy is Strategy.PARTITIONED:
        return f"May {version} go on to more pods in {environment}?"
    if state.weight is not None and state.weight.wanted and not state.paused:
        ahead = state.steps[state.step_index + 1 :] if state.step_index is not None else ()
        to = next((step.weight for step in ahead if step.weight is not None), 100)
        return f"May {version} go on from {state.weight.wanted} % to {to} % in {environment}?"
    return f"May {version} go on in {environment}?"


def _stands(state: RolloutState) -> str:
    """Where the new version stands."""
    if state.strategy in (Strategy.BLUE_GREEN, Strategy.MANUAL_SWITCH):
        return "beside it, without its traffic"
    if state.strategy is Strategy.PARTITIONED:
        return f"on {state.counts.updated} of {state.counts.wanted} pods"
    if state.weight is not None:
        return f"at {state.weight.actual} %"
    return f"on {state.counts.updated} of {state.counts.wanted} pods, paused"
