"""Which verbs an Argo Rollout offers as it stands, in the words of its buttons.

When a button makes sense is as in Argo CD's actions, with one more rule: a promotion answers something that waits.
What skips the rest without anybody waiting is called promoting fully.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..domain.commands import Offer, Verb
from ..domain.policy import Blocker
from ..domain.rollout import Phase, RolloutState, Strategy, WaitKind
from . import deployment_acts, owners_acts
from .drafting import blocked, called, offer, unknown

_WAITS = (Phase.PAUSED, Phase.AWAITING_APPROVAL)


def verbs(state: RolloutState) -> Mapping[Verb, Offer]:
    """The verbs of a Rollout as they stand."""
    lost, version = unknown(state), called(state.revision)
    idle = None if _moves(state) else blocked("Nothing is on its way.")
    given_up = blocked("It was aborted.", "Retry it, or go back.") if state.aborted else None
    stable = (
        f"{called(state.stable)} takes all the traffic" if state.stable else "the stable revision takes over"
    )
    offers = {
        Verb.PROMOTE: _promote_offer(state, lost, idle, given_up),
        Verb.PROMOTE_FULL: offer(
            Verb.PROMOTE_FULL,
            "Promote fully",
            f"{version} takes all the traffic now: pauses, steps and analyses that remain are skipped.",
            lost,
            idle,
            given_up,
            blocked("It is being promoted in full already.") if state.phase is Phase.PROMOTING else None,
            _unseen(state),
        ),
        Verb.PAUSE: offer(
            Verb.PAUSE,
            "Pause",
            "It stays at its step, and its traffic as it is, until it is resumed.",
            lost,
            blocked("It is already standing still.", "Resume it.") if state.paused else None,
            None if state.paused else idle,
            given_up,
        ),
        Verb.RESUME: offer(
            Verb.RESUME,
            "Resume",
            "It goes on from the step where it was paused; the step itself is not skipped.",
            lost,
            None if state.paused else _not_paused(state),
        ),
        Verb.ABORT: offer(
            Verb.ABORT, "Abort", _abort_says(state, stable), lost, idle, given_up, _unseen(state)
        ),
        Verb.RETRY: offer(
            Verb.RETRY,
            f"Try {version} again",
            f"{version} starts again from the first step.",
            lost,
            None if state.aborted else blocked("It was not aborted: there is nothing to try again."),
        ),
        Verb.ROLLBACK: _back(state, lost),
        Verb.RESTART: deployment_acts.restart(state, "one by one; no new revision is made", lost),
        Verb.SET_IMAGE: deployment_acts.image(state, lost),
    }
    return owners_acts.guarded(offers, state)


def _moves(state: RolloutState) -> bool:
    on_steps = state.step_index is not None and state.step_index < len(state.steps)
    return state.phase is not Phase.IDLE and (state.stable is not None or on_steps or state.aborted)


def _unseen(state: RolloutState) -> Blocker | None:
    if state.phase is not Phase.PENDING:
        return None
    return blocked("The controller has not noticed the newest change yet.", "A moment, or a rollback.")


def _not_paused(state: RolloutState) -> Blocker:
    if state.phase in _WAITS:
        return blocked("It waits at a step; nobody paused it.", "Promote it.")
    return blocked("It is not paused.")


def _promote_offer(state: RolloutState, *blockers: Blocker | None) -> Offer:
    version = called(state.revision)
    steps, at = state.steps, state.step_index
    ahead = steps[at + 1 :] if at is not None else ()
    weight = next((step.weight for step in ahead if step.weight is not None), 100)
    label, sentence = f"Promote to {weight} %", f"{version} goes on to {weight} % of the traffic."
    if weight == 100:
        sentence = f"{version} takes all the traffic."
    if state.strategy is Strategy.BLUE_GREEN:
        label, sentence = (
            f"Switch to {version}",
            f"The traffic moves from {called(state.stable)} to {version}.",
        )
    elif ahead and ahead[0].kind not in ("weight", "pause"):
        sentence = f"{ahead[0].label.capitalize()} comes next, then {weight} %."
    waits = None
    if state.paused:
        waits = blocked("It was paused by a person.", "Resume it first.")
    elif state.phase not in _WAITS:
        now = f": {steps[at].label} is on its way" if at is not None and at < len(steps) else ""
        waits = blocked(f"It waits for nobody{now}.", "Promote it fully to skip what remains.")
    elif state.waits_for.kind is WaitKind.TIMER:
        sentence = f"{sentence} It does not wait for its time to pass."
    stops = tuple(b for b in (*blockers, _unseen(state)) if b is not None)
    return offer(Verb.PROMOTE, label, sentence, *(stops or (waits,)))


def _abort_says(state: RolloutState, stable: str) -> str:
    if state.strategy is Strategy.BLUE_GREEN:
        more = " It is unpaused, since a paused one does not move its traffic." if state.paused else ""
        return f"The switch is called off and {stable}.{more}"
    return f"{called(state.revision)} is taken back to 0 %, {stable}; its template stays until it is undone."


def _back(state: RolloutState, lost: Blocker | None) -> Offer:
    found = deployment_acts.back(state, lost)
    if not found.targets:
        return found
    stable = state.stable is not None and found.targets[0] == state.stable.key
    how = "It is stable still: its steps are skipped." if stable else "It takes the steps like any change."
    return replace(found, sentence=f"{found.sentence} {how}")
