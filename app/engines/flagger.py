"""Flagger's Canary, told by its eleven phases.

The target Deployment is the canary and is scaled to zero when idle; what serves is `<target>-primary`. A
Canary has no observedGeneration, so a change of the target that Flagger has not taken up yet is seen by the
target itself: a younger revision than the last transition, or images that the primary does not have. While
it waits for promotion the status says weight 0 though the traffic stands at the maximum.
Source: Flagger's API types and scheduler.
"""

from __future__ import annotations

from datetime import datetime

from ..domain.commands import Arguments, Verb
from ..domain.names import cut
from ..domain.revisions import Revision
from ..domain.rollout import Check, Health, Phase, PodCounts, Problem, RolloutState, WaitKind, WaitsFor
from . import cautions, flagger_course, joined, owners, reading, trouble, warnings
from . import flagger_acts as acts
from .acting import Look, Plan, decoded
from .drafting import draw
from .flagger_course import Course
from .joined import Side
from .port import (
    CANARY,
    DEPLOYMENT,
    ENDPOINTSLICE,
    POD,
    REPLICASET,
    SERVICE,
    Kin,
    Kind,
    Relation,
    Via,
    reported,
)
from .shapes import CanaryAnalysis, FlaggerCanary, FlaggerSpec, FlaggerStatus, Root

name = "flagger"
verbs, queries = acts.verbs, acts.queries
root: Kind = CANARY
relations: tuple[Relation, ...] = (
    Relation(DEPLOYMENT, Via.NAME, swallows=True),
    Relation(REPLICASET, Via.OWNER, ("Deployment",)),
    Relation(POD, Via.OWNER, ("ReplicaSet",)),
    Relation(SERVICE, Via.NAME, optional=True),
    Relation(ENDPOINTSLICE, Via.NAMES, ("Service",), optional=True),
    reported("Deployment", "ReplicaSet", "Pod"),
)

_IDLE = frozenset({"Initialized", "Succeeded", "Failed"})
_RUNS = frozenset({"Progressing", "WaitingPromotion", "Promoting", "Finalising", "Waiting"})
_SAID = frozenset({"Synced"})
_CONTROLLER = WaitKind.CONTROLLER


def claims(root: Root) -> bool:
    """Every Flagger Canary."""
    return isinstance(root, FlaggerCanary)


def observe(root: Root, kin: Kin) -> RolloutState:
    """The state of a Canary with its target, its primary, and what is below both."""
    if not isinstance(root, FlaggerCanary):
        return RolloutState(Phase.UNKNOWN, Health.UNKNOWN, "This is not a Flagger Canary")
    spec, status = root.spec or FlaggerSpec(), root.status or FlaggerStatus()
    analysis = spec.analysis or spec.canary_analysis or CanaryAnalysis()
    target = _side(spec, kin, "")
    primary = _side(spec, kin, "-primary")
    course = flagger_course.course(spec, analysis, status)
    version = target.version if target else ""
    pending = _pending(status, target, primary)
    if pending:
        said = _pending_state(version)
    elif spec.suspend and status.phase in _RUNS:
        waits = WaitsFor(WaitKind.PERSON, "Take the suspension back")
        at = f" at {course.weight.wanted} %" if course.weight and status.phase != "Waiting" else ""
        said = (Phase.PAUSED, Health.SUSPENDED, f"Suspended by a person{at}", waits)
    else:
        said = _told(spec, analysis, status, course, version, primary)
    phase, health, message, waits = said
    running = (
        pending or status.phase in _RUNS or (status.phase == "Failed" and not _promoted(target, primary))
    )
    new = target if target is not None and (running or primary is None) else None
    problems = _problems(root, status, new, primary, phase, kin)
    moving = phase in (Phase.PROGRESSING, Phase.VERIFYING, Phase.PROMOTING, Phase.AWAITING_APPROVAL)
    if moving and trouble.hard(p for p in problems if p.category != "analysis"):
        health, message = Health.DEGRADED, f"{problems[0].message}. {message}"
    subject = new if phase not in (Phase.IDLE, Phase.ROLLED_BACK) else primary
    progress = 100 if phase is Phase.IDLE else 0 if pending else course.progress
    if phase is Phase.IDLE and primary is not None:
        phase, health, message, waits, progress = _served(primary)
    elif phase is Phase.IDLE:
        health, message = Health.UNKNOWN, _unseen(spec, kin)
    counts = subject.state.counts if subject else PodCounts()
    pods = joined.pods(new, primary) if primary else target.state.pods if target else ()
    made = target.state.revision.created_at if target and target.state.revision else None
    return RolloutState(
        phase=phase,
        health=health,
        message=cut(message),
        strategy=course.strategy,
        revision=_revision(status, target, phase),
        stable=joined.roles(primary.state.revision, "stable") if new and primary else None,
        revisions=joined.revisions(new, primary, "canary") if primary else (),
        steps=course.steps,
        step_index=course.index,
        weight=course.weight,
        counts=counts,
        waits_for=waits,
        progress=progress,
        paused=bool(spec.suspend),
        pods=pods,
        problems=problems,
        started_at=made if moving else None,
        cautions=cautions.of_workload(subject.template, phase, counts, pods, kin) if subject else (),
        checks=_checks(analysis, status, phase),
        owner=owners.of(root),
    )


def plan(verb: Verb, look: Look, arguments: Arguments, *, now: datetime, stamp: str) -> Plan:
    """What to send for `verb`, or `NotOffered`."""
    state = owners.seen(observe(*decoded(look, root, relations)), look)
    return draw(root, verb, look, arguments, now, stamp, state, verbs(state), acts.DRAFTS)


def _served(primary: Side) -> tuple[Phase, Health, str, WaitsFor, int]:
    """How an idle Canary is: as its primary is."""
    own = primary.state
    return own.phase, own.health, own.message, own.waits_for, own.progress


def _unseen(spec: FlaggerSpec, kin: Kin) -> str:
    if DEPLOYMENT.name in kin.missing:
        return "Its Deployments cannot be looked at"
    kind = (spec.target_ref.kind if spec.target_ref else None) or DEPLOYMENT.name
    return "Its primary was not found" if kind == DEPLOYMENT.name else cut(f"Its {kind} is not read here")


def _pending_state(version: str) -> tuple[Phase, Health, str, WaitsFor]:
    change = f"The change to {version}" if version else "A change"
    waits = WaitsFor(_CONTROLLER, "Flagger to notice the change")
    return Phase.PENDING, Health.PROGRESSING, f"{change} is not yet noticed by Flagger", waits


def _told(
    spec: FlaggerSpec,
    analysis: CanaryAnalysis,
    status: FlaggerStatus,
    course: Course,
    version: str,
    primary: Side | None,
) -> tuple[Phase, Health, str, WaitsFor]:
    """What the phase means."""
    what, since = version or "the new revision", status.last_transition_time
    at = f" at {course.weight.wanted} %" if course.weight and course.index is not None else ""
    every = analysis.interval or flagger_course.INTERVAL
    match status.phase or "":
        case "" | "Initializing":
            waits = WaitsFor(_CONTROLLER, "Flagger to make the primary", since=since)
            return Phase.PROGRESSING, Health.PROGRESSING, "Flagger sets up the primary", waits
        case "Initialized" | "Succeeded":
            return Phase.IDLE, Health.HEALTHY, "", WaitsFor()
        case "Waiting":
            waits = WaitsFor(
                WaitKind.PERSON, f"Open the gate{_gate(analysis, 'confirm-rollout')}", since=since
            )
            message = f"{what} waits for a gate before it starts; asked again every {every}"
            return Phase.AWAITING_APPROVAL, Health.SUSPENDED, message, waits
        case "WaitingPromotion":
            gate = _gate(analysis, "confirm-promotion")
            waits = WaitsFor(WaitKind.PERSON, f"Open the gate{gate}", since=since)
            message = f"{what} has passed{at}; waits for a gate before it is promoted"
            return Phase.AWAITING_APPROVAL, Health.SUSPENDED, message, waits
        case "Progressing":
            failed, most = status.failed_checks or 0, analysis.threshold or 1
            bad = f"; {failed} of {most} failed checks" if failed else ""
            waits = WaitsFor(WaitKind.ANALYSIS, f"Flagger's checks, every {every}")
            return Phase.VERIFYING, Health.PROGRESSING, f"{what} is checked{at}{bad}", waits
        case "Promoting" | "Finalising":
            waits = WaitsFor(_CONTROLLER, "the primary to take the new version")
            ready = f": {primary.state.message}" if primary and primary.state.message else ""
            return Phase.PROMOTING, Health.PROGRESSING, f"{what} passed and becomes the primary{ready}", waits
        case "Failed" if (status.canary_weight or 0) >= 100:
            waits = WaitsFor(WaitKind.PERSON, "Repair the primary", since=since)
            message = f"The promotion failed: the primary is not well, all traffic is on the canary ({what})"
            return Phase.FAILED, Health.DEGRADED, message, waits
        case "Failed":
            serves = f"{primary.version} serves" if primary and primary.version else "the primary serves"
            why = _reason(status)
            message = f"{what} was rolled back, {serves}{': ' + why if why else ''}"
            return Phase.ROLLED_BACK, Health.DEGRADED, message, WaitsFor(WaitKind.PERSON, "Change the target")
    message = f"Flagger says {status.phase}"
    return Phase.UNKNOWN, Health.UNKNOWN, cut(message), WaitsFor(_CONTROLLER, "Flagger to finish")


def _pending(status: FlaggerStatus, target: Side | None, primary: Side | None) -> bool:
    """Whether the target holds a change that Flagger has not taken up."""
    if not status.phase:
        return True
    if target is None:
        return False
    if target.state.phase is Phase.PENDING:
        return True
    if status.phase not in _IDLE:
        return False
    since = status.last_transition_time.timestamp() if status.last_transition_time else None
    if since is not None and target.made_at > since:
        return True
    return status.phase != "Failed" and not _promoted(target, primary)


def _promoted(target: Side | None, primary: Side | None) -> bool:
    return target is None or primary is None or target.images == primary.images


def _side(spec: FlaggerSpec, kin: Kin, suffix: str) -> Side | None:
    ref = spec.target_ref
    called = f"{ref.name}{suffix}" if ref and ref.name else ""
    found = next((d for d in kin.deployments if called and d.metadata.name == called), None)
    return joined.side(found, kin) if found is not None else None


def _revision(status: FlaggerStatus, target: Side | None, phase: Phase) -> Revision | None:
    """The revision asked for is the target's; where the target is not seen, the hash Flagger keeps of it."""
    if target is not None and target.state.revision is not None:
        return joined.roles(target.state.revision, "stable" if phase is Phase.IDLE else "canary")
    return Revision(cut(status.last_applied_spec, 100)) if status.last_applied_spec else None


def _problems(
    root: FlaggerCanary, status: FlaggerStatus, new: Side | None, primary: Side | None, phase: Phase, kin: Kin
) -> tuple[Problem, ...]:
    if phase is Phase.PENDING:
        return ()
    found = [*(new.state.problems if new else ()), *(primary.state.problems if primary else ())]
    failing = (status.failed_checks or 0) > 0 and status.phase in _RUNS
    if failing or status.phase == "Failed":
        event = warnings.newest(kin.warnings.get(root.metadata.uid, ()), _SAID)
        words = warnings.words(event) if event else _reason(status)
        since = warnings.first(event) if event else status.last_transition_time
        found.append(Problem("analysis", status.phase or "", words or "Checks failed", 0, since, words))
    return trouble.in_order(found)


def _reason(status: FlaggerStatus) -> str:
    promoted = reading.condition(status.conditions, "Promoted")
    return cut((promoted.message if promoted else None) or "").rstrip(".")


def _checks(analysis: CanaryAnalysis, status: FlaggerStatus, phase: Phase) -> tuple[Check, ...]:
    """Flagger tells how many rounds of checks failed, not how each metric stands."""
    if phase not in (Phase.VERIFYING, Phase.ROLLED_BACK, Phase.FAILED, Phase.AWAITING_APPROVAL, Phase.PAUSED):
        return ()
    names = ", ".join(m.name for m in analysis.metrics or () if m.name) or "checks"
    failed = phase in (Phase.ROLLED_BACK, Phase.FAILED)
    word = "failed" if failed else "running"
    return (Check(cut(names, 100), word, bad=status.failed_checks or 0, limit=analysis.threshold or 1),)


def _gate(analysis: CanaryAnalysis, type_: str) -> str:
    found = next((hook.name for hook in analysis.webhooks or () if hook.type == type_ and hook.name), "")
    return f" {cut(found, 100)}" if found else ""
