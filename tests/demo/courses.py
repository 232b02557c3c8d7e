"""A sequence of states in a form that two runs of the same script share.

What two runs of one script on one real cluster do not share is left out, and nothing else:

- names, uids, hashes, numbers in sentences; of an instant it counts only whether there is one;
- which of two writers came first: every aspect of a state takes a course of its own (`COURSES`), and what is said
  of several pods at once (`KINDS_SEEN`) is compared as the kinds of things ever said;
- how often it happened: a state, or a round of states (crash, back off, crash), that repeats itself is told once;
- which reason a condition gave for the length of one write, between two that last: type and status count;
- how a retry looks just then: `ErrImagePull` and `ImagePullBackOff` are one reason, so are a crash and its back-off,
  and a pod that starts does so in three steps; the words of pods are compared over the whole tape (`words`);
- how many pods one status counted at once: of ready and available pods the first, lowest, highest and last number
  count, of living pods the highest; the sentence said while all goes well is made of such numbers and is left out.
  `updated` and `total` add up ReplicaSets that are written one after the other, so that a sum may have a pod twice or
  not at all (tape 04 has 6 of at most 5): the first and the last number count.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from app.domain.rollout import Health, Phase, Pod, PodCondition, RolloutState, attention

Face = dict[str, Any]
"""The aspects of one state."""
Course = dict[str, Any]
"""The course each aspect took."""

COURSES = (
    "phase",
    "step",
    "revision",
    "stable",
    "started",
    "deadline",
    "settled",
    "strategy",
    "pace",
    "steps",
    "weight",
    "revisions",
    "wanted",
)
KINDS_SEEN = ("messages", "waits", "problems", "cautions", "checks", "conditions", "pods")
BOUNDS = ("ready", "available")
ENDS = ("updated", "total")
RETRIES = {"ErrImagePull": "ImagePullBackOff", "Error": "CrashLoopBackOff"}
"""Two faces of one thing that is tried again and again."""

_HASH = re.compile(r"\b(web|db|agent|blue|green|noprobe)-[a-z0-9]{6,10}(-[a-z0-9]{5})?\b")
_NUMBER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+(\.\d+)?")


def keys(value: Any, prefix: str = "") -> Iterator[str]:
    """All key paths of an object; those of managedFields, which are paths themselves, apart."""
    if isinstance(value, dict) and prefix != "metadata.managedFields":
        for key, item in value.items():
            name = f"{prefix}.{key}".lstrip(".")
            yield name
            yield from keys(item, name)
    elif isinstance(value, list) and prefix != "metadata.managedFields":
        for item in value:
            yield from keys(item, f"{prefix}[]")


@lru_cache(4096)
def plain(text: str) -> str:
    """Words without the names, numbers and uids that differ from run to run."""
    return _NUMBER.sub("#", _HASH.sub(r"\1-HASH", text)).replace("restarts", "restart").replace("pods", "pod")


def face(state: RolloutState) -> Face:
    """A state's aspects."""
    waits, new, old, counts = state.waits_for, state.revision, state.stable, state.counts
    phase = (state.phase.value, state.health.value, attention(state).value, waits.kind.value, state.paused)
    moving = state.phase in (Phase.PENDING, Phase.PROGRESSING) and state.health is Health.PROGRESSING
    return {
        "phase": phase,
        "step": state.step_index,
        "revision": new and (new.version, new.number),
        "stable": old and (old.version, old.number),
        "started": state.started_at is not None,
        "deadline": state.deadline_at is not None,
        "settled": state.settled_at is not None,
        "strategy": state.strategy.value,
        "pace": state.pace,
        "steps": tuple((s.kind, s.label, s.state.value, s.weight, s.seconds) for s in state.steps),
        "weight": state.weight and state.weight.wanted,
        "revisions": tuple((r.version, r.number, r.roles, r.cause) for r in state.revisions),
        "wanted": counts.wanted,
        "messages": frozenset([] if moving else [plain(state.message)]),
        "waits": frozenset([(plain(waits.what), waits.until is not None, waits.since is not None)]),
        "problems": frozenset((p.category, _reason(p.reason), plain(p.message)) for p in state.problems),
        "cautions": frozenset((c.kind.value, plain(c.message)) for c in state.cautions),
        "checks": frozenset((plain(c.name), c.phase, c.condition, c.bad, c.limit) for c in state.checks),
        "conditions": frozenset((c.of, c.type, c.status) for c in state.conditions),
        "pods": frozenset(map(_pod, state.pods)),
        "words": frozenset((p.condition.value, p.reason, plain(p.message)) for p in state.pods),
        "ready": counts.ready,
        "available": counts.available,
        "living": sum(pod.condition is not PodCondition.ENDING for pod in state.pods),
        "updated": counts.updated,
        "total": counts.total,
    }


def _pod(pod: Pod) -> Hashable:
    failing = pod.condition is PodCondition.FAILING
    return (
        pod.new,
        pod.condition.value,
        _reason(pod.reason) if failing else "",
        plain(pod.message) if failing else "",
    )


def _reason(word: str) -> str:
    return RETRIES.get(word, word)


def course(faces: Sequence[Face]) -> Course:
    """The course of every aspect through a sequence of states."""
    seen: dict[str, list[Any]] = {aspect: [looks[aspect] for looks in faces] for aspect in faces[0]}
    told: Course = {aspect: rounds(seen[aspect]) for aspect in COURSES}
    for aspect in KINDS_SEEN:
        told[aspect] = sorted(frozenset().union(*seen[aspect]))
    for aspect in BOUNDS:
        told[aspect] = [seen[aspect][0], min(seen[aspect]), max(seen[aspect]), seen[aspect][-1]]
    told["living"] = max(seen["living"])
    for aspect in ENDS:
        told[aspect] = [seen[aspect][0], seen[aspect][-1]]
    return told


def rounds(values: Iterable[Any]) -> list[Any]:
    """The values without immediate repetitions, of one or of several together."""
    kept: list[Any] = []
    for value in values:
        kept.append(value)
        for size in range(1, len(kept) // 2 + 1):
            if kept[-size:] == kept[-2 * size : -size]:
                del kept[-size:]
                break
    return kept
