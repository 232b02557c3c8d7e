"""The few ways in which every engine reads a shape: conditions, generations, counters, images, durations.

They know Kubernetes' habits (absent is zero, generation first, times of one second) and no engine. Nothing
here raises on a decoded shape, and text from the cluster leaves only through `cut`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

from ..domain.names import ImageRef, cut
from ..domain.rollout import Phase
from .shapes import Condition, Meta, Template

NO_DEADLINE = 2_147_483_647
"""`progressDeadlineSeconds` that means none (apps/v1)."""
DEFAULT_DEADLINE = 600
"""`progressDeadlineSeconds` when absent, in seconds (apps/v1 and Argo Rollouts)."""

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)")
_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def condition(conditions: Iterable[Condition] | None, type_: str) -> Condition | None:
    """The status condition of that type."""
    for found in conditions or ():
        if found.type == type_:
            return found
    return None


def generation_seen(meta: Meta, observed: int | None) -> bool:
    """Whether the controller has looked at the newest spec; only then do the other status fields describe
    it."""
    return (meta.generation or 0) <= (observed or 0)


def wanted(replicas: int | None) -> int:
    """Replicas asked for: an absent `spec.replicas` means one."""
    return 1 if replicas is None else replicas


def limit(written: int | str | None) -> str:
    """A bound of an update as written, a number or a percentage; empty when absent."""
    return "" if written is None else cut(str(written), 20)


def number(text: str | None) -> int | None:
    """A revision number or generation written as text; None when it is not one."""
    return int(text) if text and len(text) < 20 and text.isascii() and text.isdigit() else None


@lru_cache(4096)
def image(text: str) -> tuple[str, str]:
    """A container image as shown (cut), and its version."""
    return cut(text, 300), cut(ImageRef.parse(text).version, 128)


def images(template: Template | None) -> tuple[str, ...]:
    """The images of a pod template's containers, in order, init containers aside."""
    if template is None or template.spec is None:
        return ()
    return tuple(image(c.image)[0] for c in template.spec.containers or () if c.image)


def version(template: Template | None) -> str:
    """What people call this template: the version of its first image; empty when there is none."""
    if template is None or template.spec is None:
        return ""
    return next((image(c.image)[1] for c in template.spec.containers or () if c.image), "")


def restarted(template: Template | None) -> datetime | None:
    """When a restart was last asked for, as `kubectl rollout restart` marks the template."""
    notes = template.metadata.annotations if template and template.metadata else None
    try:
        at = datetime.fromisoformat(notes.restarted_at) if notes and notes.restarted_at else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def seconds(duration: int | str | None) -> int | None:
    """A pause's duration in seconds: a number, a numeric string, or Go's notation ("1h30m"); None when
    undated."""
    if not isinstance(duration, str):
        return duration
    plain = number(duration)
    if plain is not None:
        return plain
    parts = _DURATION.findall(duration[:60])
    if not parts or "".join(map("".join, parts)) != duration:
        return None
    return int(sum(float(value) * _UNIT[unit] for value, unit in parts))


def spell(duration: int) -> str:
    """Seconds in words of at most two units: "45 s", "5 min", "1 h 30 min"."""
    hours, minutes, rest = duration // 3600, duration // 60 % 60, duration % 60
    parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts[:2]) or "0 s"


def after(start: datetime | None, duration: int | None) -> datetime | None:
    """`start` plus a duration in seconds; None when either is unknown or the sum is no date."""
    if start is None or duration is None:
        return None
    try:
        return start + timedelta(seconds=duration)
    except OverflowError:
        return None


def deadline(progressing: Condition | None, limit: int | None) -> datetime | None:
    """When a rollout counts as stuck: the last progress plus the deadline, as the deployment controller
    reckons."""
    limit = DEFAULT_DEADLINE if limit is None else limit
    if progressing is None or progressing.status != "True" or limit >= NO_DEADLINE:
        return None
    return after(progressing.last_update_time, limit)


def settled(progressing: Condition | None, phase: Phase) -> datetime | None:
    """When the last rollout ended (IDLE) or passed its deadline (FAILED), as the Progressing condition remembers:
    the controller dates a reason when it sets it and leaves it alone until the next rollout."""
    if progressing is None:
        return None
    if phase is Phase.IDLE and progressing.reason == "NewReplicaSetAvailable":
        return progressing.last_update_time
    if phase is Phase.FAILED and progressing.reason == "ProgressDeadlineExceeded":
        return progressing.last_transition_time
    return None


def blind(missing: frozenset[str]) -> str:
    """What could not be looked at, in words; empty when everything could."""
    if "Pod" in missing:
        return "Its pods cannot be looked at"
    return "Its ReplicaSets cannot be looked at" if "ReplicaSet" in missing else ""


def percent(part: int, whole: int) -> int:
    """How many percent `part` is of `whole`, between 0 and 100, rounded down; 0 of nothing."""
    return max(0, min(100, 100 * part // whole)) if whole > 0 else 0


def share(n: int, total: int, noun: str, state: str) -> str:
    """ "0 of 1 new pod is ready", "3 of 6 new pods are ready"."""
    return f"{n} of {count(total, noun)} {'is' if total == 1 else 'are'} {state}"


def count(n: int, noun: str) -> str:
    """ "1 pod", "3 pods"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
