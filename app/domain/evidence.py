"""What is known of a version when somebody is asked whether it may go on, and the digest that stands for all of it.

Three-valued: what nobody told is UNKNOWN, never yes. Ages are not part of it; instants and words are, so that the same
facts give the same digest until one of them changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from hashlib import sha256
from typing import Any


class Holds(StrEnum):
    """Whether something is the case."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Severity(IntEnum):
    """How bad a finding of a scan is."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was checked: how it came out, in words what was found, and when."""

    holds: Holds = Holds.UNKNOWN
    said: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """The newest scan of the image: its worst finding (None: not scanned), in words, and when."""

    worst: Severity | None = None
    said: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who had a part in a change, as a commit or a pipeline names them: `part` is "author", "committer",
    "co-author", "starter" or "asker"; `identity` "issuer|subject" where that is known for sure."""

    part: str
    name: str = ""
    email: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A commit: its hash, the first line of its message, who wrote it and when."""

    sha: str
    title: str
    author: str = ""
    at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Rollback:
    """What there is to go back to: its version, whether its revision is still kept, when going back was last seen to
    work and how long it took; and when a drill last proved it, how long that took and where."""

    to: str = ""
    kept: bool = False
    proven_at: datetime | None = None
    took: timedelta | None = None
    drilled_at: datetime | None = None
    drilled: timedelta | None = None
    drilled_in: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that was or will be otherwise."""

    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All facts that a decision is based on.

    `soaking_since` is when the version began to run in the environment before with all pods ready (None: it does not),
    `soak` says so in words, `soak_broke_at` is since when not all of them are (None: they are); until the grace for
    that is over, `soaking_since` stays. `people` had a part in the change (None: it is not known who). `commits` go in,
    `left_out` are newer ones that do not, `lost` are live and would not be any more (None: not known). `digests` are
    those of images, by their names; `configuration` is what else changes in the pod template (None: not known).
    """

    ci: Proof = Proof()
    tests: Proof = Proof()
    scan: Scan = Scan()
    signature: Proof = Proof()
    soaking_since: datetime | None = None
    soak: str = ""
    rollback: Rollback = Rollback()
    people: tuple[Person, ...] | None = None
    commits: tuple[Change, ...] | None = None
    left_out: tuple[Change, ...] | None = None
    lost: tuple[Change, ...] | None = None
    digests: tuple[tuple[str, str], ...] = ()
    configuration: tuple[Changed, ...] | None = None
    soak_broke_at: datetime | None = None


NOTHING = Evidence()
"""Nobody told anything."""


def graced(
    before: Evidence, since: datetime | None, said: str, there: bool, grace: timedelta, now: datetime
) -> tuple[datetime | None, str, datetime | None]:
    """The soak, given how it was `before` and what is seen now: since when all pods are ready (None: they are not), in
    words, and whether the version still runs `there`. Pods that are replaced and ready again within `grace` do not
    begin it anew. Answers since when it counts, in words, and since when not all pods are ready.

    An outage that nobody saw begin heals only if it ended just now: what was over before that begins the soak anew.
    """
    if before.soaking_since is None or not there or not grace:
        return since, said, None
    broke_at = before.soak_broke_at
    if since is None:
        broke_at = broke_at or now
        left = broke_at + grace - now
        if left <= timedelta():
            return None, said, None
        return (
            before.soaking_since,
            f"{said}; it goes on if that heals within {int(grace.total_seconds())} s",
            broke_at,
        )
    healed = since <= broke_at + grace if broke_at else now - since <= grace
    kept = before.soaking_since if since <= before.soaking_since or healed else since
    return kept, said, None


def canonical(value: Any) -> Any:
    """`value` as plain JSON values: keys are names, instants UTC with microseconds, enumerations their values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: canonical(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, StrEnum | IntEnum):
        return value.value
    if isinstance(value, frozenset | set):
        return sorted(canonical(v) for v in value)
    return [canonical(v) for v in value] if isinstance(value, tuple | list) else value


def digest(*values: Any) -> str:
    """One text for all of `values`; equal values, equal text (64 hexadecimal digits)."""
    body = json.dumps(canonical(values), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(body.encode(errors="surrogatepass")).hexdigest()


_WORDS = {
    "ci": "CI",
    "tests": "tests",
    "scan": "scan",
    "signature": "signature",
    "soaking_since": "soak",
    "rollback": "way back",
    "people": "who had a part in it",
    "commits": "commits",
    "left_out": "commits left out",
    "lost": "commits that would be lost",
    "digests": "digests of the images",
    "policy": "the rules",
}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Changed, ...]:
    """In what two sheets of evidence (canonical values by name) differ, in words."""
    found = []
    before, after = weighed(before), weighed(after)
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was != now:
            found.append(Changed(_WORDS.get(name, name.replace("_", " ")), _spoken(was), _spoken(now)))
    return tuple(found)


_LIGHT = frozenset({"left_out", "soak", "soak_broke_at"})
_PROOFS = ("ci", "tests", "scan", "signature")
_DRILLS = ("drilled_at", "drilled", "drilled_in")


def weighed(sheet: Mapping[str, Any]) -> dict[str, Any]:
    """What of a sheet of evidence a vote is bound to. Not when the same was found again, in which order people are
    named, what is newer and stays out, how a drill went, words about the soak, or that a pod is just being replaced:
    `soaking_since` tells when that took too long."""
    found = {name: value for name, value in sheet.items() if name not in _LIGHT}
    for name in _PROOFS:
        if isinstance(found.get(name), Mapping):
            found[name] = {k: v for k, v in found[name].items() if k != "at"}
    if isinstance(found.get("rollback"), Mapping):
        found["rollback"] = {k: v for k, v in found["rollback"].items() if k not in _DRILLS}
    if isinstance(found.get("people"), list):
        found["people"] = sorted(found["people"], key=lambda person: json.dumps(person, sort_keys=True))
    return found


def _spoken(value: Any) -> str:
    if isinstance(value, Mapping):
        said = value.get("said") or value.get("to") or value.get("holds") or value.get("version")
        return str(said or "unknown")
    if isinstance(value, list):
        return ", ".join(
            str(v.get("sha", v.get("name", ""))) if isinstance(v, Mapping) else str(v) for v in value[:5]
        )
    return "unknown" if value is None else str(value)


def plain(evidence: Evidence) -> dict[str, Any]:
    """The evidence as canonical values by name."""
    found: dict[str, Any] = canonical(evidence)
    assert found.keys() == asdict(NOTHING).keys()
    return found
