"""Which phase an Argo Rollout is in and what it waits for: the controller's own order, then our words for
it.

Source of the order: `GetRolloutPhase` and `CalculateRolloutPhase` of Argo Rollouts (utils/rollout). Two
things are said earlier than the controller says them, because a person has already acted: an abort and a
full promotion.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.names import cut
from ..domain.revisions import Revision
from ..domain.rollout import Health, Phase, PodCounts, Problem, WaitKind, WaitsFor
from . import reading
from .argo_analysis import named
from .argo_steps import SWITCH, Course
from .reading import condition, count, share
from .shapes import BlueGreen, Rollout, RolloutSpec, RolloutStatus, RunStatus
from .trouble import SOFT

Judgement = tuple[Phase, Health, str, WaitsFor]
_NOBODY = WaitsFor()


@dataclass(frozen=True, slots=True)
class Observed:
    """What one look at the objects gave, before it is judged."""

    spec: RolloutSpec
    status: RolloutStatus
    seen: bool
    aborted: bool
    counts: PodCounts
    course: Course
    new: Revision | None
    stable: Revision | None
    unmade: str  # the version asked for, when the current ReplicaSet has another
    problems: tuple[Problem, ...]
    blind: str  # what could not be looked at, in words

    @property
    def promoted(self) -> bool:
        """The revision asked for is the stable one; so it is at once on the first deploy, which skips all
        steps."""
        return bool(self.status.stable_rs) and self.status.stable_rs == self.status.current_pod_hash

    @property
    def blue_green(self) -> BlueGreen | None:
        """The blue-green strategy, if it is one."""
        return self.spec.strategy.blue_green if self.spec.strategy else None

    @property
    def percent(self) -> int:
        """The weight that is set, in percent."""
        return self.course.weight.wanted if self.course.weight else 0


def seen(root: Rollout, status: RolloutStatus) -> bool:
    """Whether the controller has looked at the newest spec, and at the newest template where that is
    elsewhere.

    `observedGeneration` is text; before 0.10 it was a hash, which counts as seen. One with no status at all
    is not.
    """
    if not status.observed_generation and not status.current_pod_hash and not status.phase:
        return False
    observed = reading.number(status.observed_generation)
    if observed is not None and not reading.generation_seen(root.metadata, observed):
        return False
    if root.spec is None or root.spec.workload_ref is None or root.metadata.annotations is None:
        return True
    asked = root.metadata.annotations.workload_generation
    return asked is None or asked == status.workload_observed_generation


def aborted(status: RolloutStatus) -> bool:
    """Whether the move was given up, also before the controller has acted on it."""
    if any(c.reason == "RolloutAborted" for c in status.conditions or ()):
        return True
    return bool(status.abort) and status.current_pod_hash != status.stable_rs


def run(status: RolloutStatus) -> RunStatus | None:
    """The analysis run that decides now: of the step, of a blue-green promotion, or in the background."""
    return next(iter(named(status)), None)


def their_phase(spec: RolloutSpec, status: RolloutStatus) -> str:
    """Argo's word for the phase, once the generation is seen: "Healthy", "Degraded", "Progressing" or
    "Paused"."""
    if status.controller_pause and not status.pause_conditions:
        return "Progressing"
    if status.phase:
        return status.phase
    reasons = {c.reason for c in status.conditions or ()}
    if condition(status.conditions, "InvalidSpec") or reasons & {
        "RolloutAborted",
        "ProgressDeadlineExceeded",
    }:
        return "Degraded"
    if spec.paused or status.pause_conditions:
        return "Paused"
    updated, wanted = status.updated_replicas or 0, reading.wanted(spec.replicas)
    blue_green = status.blue_green if spec.strategy and spec.strategy.blue_green else None
    unswitched = blue_green is not None and blue_green.active_selector != status.current_pod_hash
    canary = spec.strategy.canary if spec.strategy else None
    crowded = canary is not None and canary.traffic_routing is None and (status.replicas or 0) > updated
    if (
        (spec.restart_at is not None and spec.restart_at != status.restarted_at)
        or updated < wanted
        or (status.available_replicas or 0) < updated
        or unswitched
        or crowded
        or not status.current_pod_hash
        or status.stable_rs != status.current_pod_hash
    ):
        return "Progressing"
    return "Healthy"


def judge(look: Observed) -> Judgement:
    """Phase, health, one sentence, and who has to act."""
    status = look.status
    if not look.seen:
        change = f"The change to {look.unmade}" if look.unmade else "A change"
        waits = WaitsFor(WaitKind.CONTROLLER, "the controller to notice the change")
        return Phase.PENDING, Health.PROGRESSING, f"{change} is not yet noticed by the controller", waits
    theirs = their_phase(look.spec, status)
    if theirs == "Degraded" or look.aborted:
        return _failed(look)
    if theirs == "Paused" and (look.spec.paused or (status.pause_conditions and not _all_at_once(look))):
        return _paused(look)
    if theirs in ("Progressing", "Paused"):
        return _progressing(look)
    if theirs == "Healthy":
        hard = any(p.pods and p.category not in SOFT for p in look.problems)
        first = look.problems[0].message if look.problems else ""
        zero = "" if look.counts.wanted else "Scaled to zero"
        health = Health.DEGRADED if hard else Health.HEALTHY
        return Phase.IDLE, health, first or look.blind or zero, _NOBODY
    message = cut(f"Argo Rollouts says {theirs}, which is not known here")
    return Phase.UNKNOWN, Health.UNKNOWN, message, _NOBODY


def _all_at_once(look: Observed) -> bool:
    return bool(look.status.promote_full) and not look.promoted


def _failed(look: Observed) -> Judgement:
    status, found = look.status, {p.category: p.message for p in look.problems}
    first = look.problems[0].message if look.problems else ""
    if "invalid" in found:
        waits = WaitsFor(WaitKind.PERSON, "Correct the spec")
        return Phase.FAILED, Health.DEGRADED, found["invalid"], waits
    if look.aborted:
        colours = status.blue_green if look.blue_green else None
        stable = look.stable.version if look.stable else ""
        serves = f"{stable or 'the stable revision'} serves"
        if colours is not None and colours.active_selector and colours.active_selector != status.stable_rs:
            serves = "but the new revision still has the traffic"
        why = found.get("aborted", "")
        cause = why if why and why != "Aborted" else first if first and first != why else ""
        waits = WaitsFor(WaitKind.PERSON, "Retry, or go back to the stable revision", since=status.aborted_at)
        return Phase.ABORTED, Health.DEGRADED, f"Aborted, {serves}{': ' + cause if cause else ''}", waits
    message = ". ".join(dict.fromkeys(m for m in (first, found.get("deadline", "")) if m))
    said = f"Degraded: {status.message}" if status.message else "Degraded; the controller gives no reason"
    waits = WaitsFor(WaitKind.PERSON, "Fix forward, abort or roll back")
    return Phase.FAILED, Health.DEGRADED, message or said, waits


def _paused(look: Observed) -> Judgement:
    status, course = look.status, look.course
    first = look.problems[0].message if look.problems else ""
    hard = any(p.pods and p.category not in SOFT for p in look.problems)
    health = Health.DEGRADED if hard else Health.SUSPENDED
    pause = status.pause_conditions[0] if status.pause_conditions else None

    def answer(phase: Phase, message: str, waits: WaitsFor) -> Judgement:
        return phase, health, f"{first}. {message}" if hard else message, waits

    if look.spec.paused:
        at = f" at {look.percent} %" if course.now is not None and not look.blue_green else ""
        return answer(Phase.PAUSED, f"Paused by a person{at}", WaitsFor(WaitKind.PERSON, "Resume to go on"))
    reason, since = (pause.reason or "", pause.start_time) if pause else ("", None)
    if reason.startswith("Inconclusive"):
        checked = run(status)
        why = f": {checked.message}" if checked and checked.message else ""
        waits = WaitsFor(WaitKind.PERSON, "Promote or abort", since=since)
        return answer(Phase.PAUSED, f"The analysis is inconclusive; waits for a person{why}", waits)
    if look.blue_green is not None:
        length = look.blue_green.auto_promotion_seconds or 0
        if look.blue_green.auto_promotion_enabled is False or length <= 0:
            waits = WaitsFor(WaitKind.PERSON, "Promote to switch", since=since)
            message = "Preview is ready; waits for a person before the switch"
            return answer(Phase.AWAITING_APPROVAL, message, waits)
        waits = WaitsFor(WaitKind.TIMER, "the switch", reading.after(since, length), since)
        return answer(
            Phase.PAUSED, f"Preview is ready; switches by itself after {reading.spell(length)}", waits
        )
    step = course.now
    if step is not None and step.seconds is not None:
        waits = WaitsFor(WaitKind.TIMER, f"then {course.target} %", reading.after(since, step.seconds), since)
        message = (
            f"Waits at {look.percent} % for {reading.spell(step.seconds)}, then goes to {course.target} %"
        )
        return answer(Phase.PAUSED, message, waits)
    waits = WaitsFor(WaitKind.PERSON, f"Promote to go on to {course.target} %", since=since)
    message = f"Waits at {look.percent} % for a person; next is {course.target} %"
    return answer(Phase.AWAITING_APPROVAL, message, waits)


def _progressing(look: Observed) -> Judgement:
    status, step = look.status, look.course.now
    first = look.problems[0].message if look.problems else ""
    hard = any(p.category not in SOFT for p in look.problems)
    health = Health.DEGRADED if hard else Health.PROGRESSING
    waits = WaitsFor(WaitKind.CONTROLLER, "the cluster to replace pods")
    moving = not look.promoted and bool(status.stable_rs)
    if moving and status.promote_full:
        message = first or f"Promoted in full, steps are skipped: {_new_ready(look)}"
        return Phase.PROMOTING, health, message, waits
    if moving and not (status.controller_pause and not status.pause_conditions) and _verifying(look):
        checked = run(status)
        what = cut(checked.name, 253) if checked and checked.name else "the analysis"
        at = "after the switch" if look.blue_green and look.course.index != SWITCH else f"at {look.percent} %"
        if look.blue_green and look.course.index == SWITCH:
            at = "of the preview"
        noun = "Experiment" if step is not None and step.kind == "experiment" else "Analysis"
        return Phase.VERIFYING, health, first or f"{noun} runs {at}", WaitsFor(WaitKind.ANALYSIS, what)
    return Phase.PROGRESSING, health, first or _counted(look), waits


def _verifying(look: Observed) -> bool:
    status, step = look.status, look.course.now
    if look.blue_green is None:
        return step is not None and step.kind in ("analysis", "experiment")
    colours = status.blue_green
    if colours is not None and colours.active_selector == status.current_pod_hash:
        return True
    before = colours.pre_promotion_analysis_run_status if colours else None
    return before is not None and (before.status or "") in ("", "Pending", "Running")


def _new_ready(look: Observed) -> str:
    ready = look.new.ready if look.new else 0
    return share(min(ready, look.counts.wanted), look.counts.wanted, "new pod", "ready")


def _counted(look: Observed) -> str:
    """How far it is, and what happens next, in one sentence."""
    counts, course, status = look.counts, look.course, look.status
    if look.promoted or not status.stable_rs:
        if look.spec.restart_at is not None and look.spec.restart_at != status.restarted_at:
            return f"Restarts its pods: {share(counts.available, counts.wanted, 'pod', 'available')}"
        if counts.available >= counts.wanted and counts.total > counts.updated:
            return f"{count(counts.total - counts.updated, 'old pod')} must still end"
        return share(counts.available, counts.wanted, "pod", "available")
    if status.controller_pause and not status.pause_conditions:
        return "Promoted by a person; goes on now"
    if look.blue_green is not None:
        if course.index == SWITCH:
            version = look.new.version if look.new else ""
            return f"Preview is ready; traffic switches to {version or 'it'}"
        ready, wanted = (look.new.ready, look.new.wanted) if look.new else (0, 0)
        return share(ready, wanted or counts.wanted, "preview pod", "ready")
    if course.now is None:
        return f"Going to 100 %: {_new_ready(look)}"
    if course.now.weight is not None:
        ready = look.new.ready if look.new else 0
        return f"Going to {course.now.weight} %: {count(ready, 'new pod')} ready"
    return f"Takes step {(course.index or 0) + 1} of {len(course.steps)}: {course.now.label}"
