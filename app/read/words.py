"""The board in words: the sentence on top, the word of a cell, the numbers people read. Pure."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..domain.counts import among, every
from ..domain.freshness import Freshness
from ..domain.names import WorkloadRef
from ..domain.rollout import Attention, CautionKind, Health, Phase, Pod, RolloutState, Strategy, WaitKind
from .board import Clause, Sentence

_NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)

_FOLLOWED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})
_PAST = {
    "Waits": "waited",
    "Holds": "held",
    "Verifying": "was verified at",
    "Preview": "waited as a preview",
    "Failed": "had failed",
}
HOLLOW = {
    CautionKind.NO_ENDPOINTS: "unreached",
    CautionKind.RESTARTS: "restarted",
    CautionKind.NO_PROBE: "untested",
}
"""What a good state may hide, in a word."""
_BESIDE = (Strategy.BLUE_GREEN, Strategy.MANUAL_SWITCH)
_ASIDE = HOLLOW | {CautionKind.KILLED: "hard stop", CautionKind.OVERRAN: "slow stop"}
_PLAIN = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+").fullmatch
"""What no shell needs quoted: nearly every name there is."""
_INITIALS = frozenset({"ci", "qa", "uat"})


def number(n: int) -> str:
    """`n` in words up to twelve, then in figures: 3 gives "three", 1200 gives "1,200"."""
    return _NUMBERS[n] if n < len(_NUMBERS) else f"{n:,}"


def ready(n: int, wanted: int, version: str) -> str:
    """How many pods of `version` are ready, as a sentence: "2 of 4 pods on 1.1 are ready.", "Its one pod on 1.1 is
    not ready yet."."""
    on = f" on {version}" if version else ""
    if not wanted:
        return "It is scaled to zero: no pod is to be ready."
    if wanted == 1:
        return f"{every(wanted).capitalize()}{on} is {'ready' if n else 'not ready yet'}."
    if n >= wanted:
        return f"{'Both pods' if n == 2 else every(n).capitalize()}{on} are ready."
    return f"{among(n, wanted)}{on} {'is' if n == 1 else 'are'} ready."


def slug(text: str) -> str:
    """A name fit for an element id: itself when it is lower-case letters, digits and single hyphens, else
    made so and told apart by a piece of its hash."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower())[:60].strip("-")
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")


def opens(place: str) -> str:
    """Words of a place that begin a sentence: "Everything in staging"; a name stays as it is written."""
    return f"Everything{place.removeprefix('everything')}" if place.startswith("everything ") else place


def title(environment: str) -> str:
    """An environment's name as a heading: "production" gives "Production", "qa" gives "QA"."""
    return environment.upper() if environment in _INITIALS else environment[:1].upper() + environment[1:]


def kubectl(ref: WorkloadRef) -> str:
    """The command that shows the same workload at a terminal."""
    kind = "rollouts.argoproj.io" if ref.kind == "Rollout" else ref.kind.lower()
    if _PLAIN(f"{ref.namespace}/{kind}{ref.name}"):
        return f"kubectl -n {ref.namespace} describe {kind}/{ref.name}"
    return f"kubectl -n {shlex.quote(ref.namespace)} describe {shlex.quote(f'{kind}/{ref.name}')}"


def by_hand(ref: WorkloadRef, failing: Pod | None) -> tuple[str, ...]:
    """Commands that show the same at a terminal: the rollout's, the object's and, if there is one, those of a
    failing pod."""
    at, name = f"kubectl -n {shlex.quote(ref.namespace)}", shlex.quote(ref.name)
    follow = f"kubectl argo rollouts get rollout {name} -n {shlex.quote(ref.namespace)} --watch"
    if ref.kind in ("Deployment", "StatefulSet", "DaemonSet"):
        follow = f"{at} rollout status {ref.kind.lower()}/{name}"
    said = (follow, kubectl(ref)) if ref.kind in _FOLLOWED else (kubectl(ref),)
    if failing is None:
        return said
    pod = shlex.quote(failing.name)
    crashed = (f"{at} logs {pod} --previous --tail 20",) if failing.restarts else ()
    return (*said, f"{at} describe pod/{pod}", *crashed)


def word(state: RolloutState, attention: Attention) -> str:
    """The one or two words that stand beside a version ("Good", "Waits at 25 %")."""
    weight = f" {state.weight.wanted} %" if state.weight else ""
    at = f" at{weight}" if weight else ""
    match attention:
        case Attention.UNKNOWN:
            return "Unknown"
        case Attention.FAILED:
            return _failed_word(state)
        case Attention.WAITING if state.phase is Phase.PAUSED:
            return f"Paused{at}"
        case Attention.WAITING:
            return "Preview" if state.strategy in _BESIDE else f"Waits{at}"
        case Attention.MOVING:
            return _moving_word(state, weight, at)
    if state.phase is Phase.ROLLED_BACK:
        return "Rolled back"
    if state.paused:
        return "Good, paused"
    if not state.counts.wanted and state.revision:
        return "Scaled to 0"
    return next((f"Good, {_ASIDE[c.kind]}" for c in state.cautions if c.kind in _ASIDE), "Good")


def _failed_word(state: RolloutState) -> str:
    if state.phase is Phase.ABORTED:
        return "Aborted"
    if state.phase is Phase.FAILED:
        return "Failed"
    if state.health is Health.MISSING:
        return "Missing"
    return "Degraded" if state.phase in (Phase.IDLE, Phase.SUCCEEDED) else "Failing"


def _moving_word(state: RolloutState, weight: str, at: str) -> str:
    if state.waits_for.kind is WaitKind.TIMER:
        return f"Holds{at}"
    if state.phase is Phase.VERIFYING:
        return f"Verifying{weight}"
    if state.phase is Phase.PENDING:
        return "Pending"
    if state.phase is Phase.PROMOTING:
        return "Promoting"
    return f"Rolling{at}" if state.strategy is Strategy.CANARY else "Rolling"


def was(state: RolloutState, attention: Attention) -> str:
    """What `word` says as a sentence of the past ("It was good.", "It waited at 25 %.")."""
    first, _, rest = word(state, attention).partition(" ")
    verb = _PAST.get(first) or f"was {first[:1].lower()}{first[1:]}"
    return f"It {verb}{' ' + rest if rest else ''}."


@dataclass(frozen=True, slots=True)
class Asked:
    """What waits for a person, as the list beside the sentence has it: how many, how many of them are no rollouts but
    other decisions, and of how many services that are good."""

    waits: int = 0
    decisions: int = 0
    good: int = 0


def sentence(
    counts: Mapping[Attention, int],
    rollouts_failed: int,
    total: int,
    glimpsed: int = 0,
    asked: Asked | None = None,
) -> Sentence:
    """The state of the shown services in words, worst first. `rollouts_failed` of the FAILED ones are failed
    rollouts (the others run badly without one); of `glimpsed` UNKNOWN ones something is seen; `total` counts
    all services, shown or not. What waits is counted as it is listed, not by services: one may ask twice."""
    shown, asked = sum(counts.values()), asked or Asked()
    counts = {
        **counts,
        Attention.WAITING: asked.waits,
        Attention.GOOD: counts.get(Attention.GOOD, 0) - asked.good,
    }
    states = [a for a in Attention if counts.get(a)]
    clauses: list[Clause] = []
    if shown and len(states) == 1 and (all_alike := _all_alike(states[0], shown, glimpsed)):
        clauses.append(Clause(states[0], all_alike, "."))
        if states[0] is Attention.GOOD:
            clauses.append(Clause(None, "Nothing moves, nothing waits", "."))
    else:
        for a in states:
            text = _clause(a, counts[a], rollouts_failed, first=not clauses, decisions=bool(asked.decisions))
            last = a is states[-1] or (states[-1] is Attention.GOOD and a is states[-2])
            clauses.append(Clause(a, text, "." if last else ","))
    if shown != total:
        clauses.append(Clause(None, f"{shown:,} of {total:,} services are shown", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))


def _all_alike(attention: Attention, n: int, glimpsed: int) -> str:
    if attention is Attention.GOOD:
        return {1: "The one service is good", 2: "Both services are good"}.get(
            n, f"All {n:,} services are good"
        )
    if attention is Attention.UNKNOWN and n > 1:
        return f"None of the {n:,} services can be seen{' in full' if glimpsed else ''}"
    return ""


def _clause(
    attention: Attention, n: int, rollouts_failed: int, *, first: bool, decisions: bool = False
) -> str:
    one, many = n == 1, number(n)
    match attention:
        case Attention.FAILED if rollouts_failed == n:
            noun, verb = "rollout", "failed"
            return f"{many.capitalize()} {noun}{'' if one else 's'} {verb}"
        case Attention.FAILED:
            return f"{many.capitalize()} service{' is' if one else 's are'} failing"
        case Attention.GOOD:
            return f"The other {many} {'is' if one else 'are'} good"
        case Attention.WAITING:
            noun = "decision" if decisions else "rollout"
            verb = "waits for a person" if one else "wait for a person"
        case Attention.MOVING:
            noun, verb = "rollout", "is moving" if one else "are moving"
        case Attention.UNKNOWN:
            noun, verb = "service", "cannot be seen"
    if first:
        return f"{many.capitalize()} {noun}{'' if one else 's'} {verb}"
    return f"{many} {verb}"


def source_sentence(sources: Sequence[tuple[Freshness, str]], kind: str = "source") -> Sentence:
    """How fresh the sources are, worst first, from (freshness, cluster) of each; `kind` is what they are called."""
    n = len(sources)
    count = {f: sum(1 for freshness, _ in sources if freshness is f) for f in Freshness}
    if not n:
        clauses = [Clause(Attention.UNKNOWN, "Shipboard listens to nothing yet", ".")]
    elif count[Freshness.LIVE] == n:
        text = (
            f"The one {kind} is live" if n == 1 else f"{'Both' if n == 2 else f'All {n:,}'} {kind}s are live"
        )
        clauses = [Clause(Attention.GOOD, text, ".")]
    else:
        clauses = []
        said = {Freshness.UNKNOWN: "cannot be seen", Freshness.STALE: "stale", Freshness.DELAYED: "late"}
        for freshness, what in said.items():
            if many := count[freshness]:
                verb = "" if freshness is Freshness.UNKNOWN else "is " if many == 1 else "are "
                noun = "" if clauses else " source" if many == 1 else " sources"
                text = f"{number(many)}{noun} {verb}{what}"
                clauses.append(Clause(Attention.UNKNOWN, text if clauses else text.capitalize(), ","))
        clauses[-1] = Clause(Attention.UNKNOWN, clauses[-1].text, ".")
        if live := count[Freshness.LIVE]:
            text = f"The other {number(live)} {'is' if live == 1 else 'are'} live"
            clauses.append(Clause(Attention.GOOD, text, "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))
