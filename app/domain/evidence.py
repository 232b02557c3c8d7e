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
    work and how long it took."""

    to: str = ""
    kept: bool = False
    proven_at: datetime | None = None
    took: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All facts that a decision is based on.

    `soaking_since` is when the version began to run in the environment before with all pods ready (None: it does not),
    `soak` says so in words. `people` had a part in the change (None: it is not known who). `commits` go in, `left_out`
    are newer ones that do not (None: not known).
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


NOTHING = Evidence()
"""Nobody told anything."""


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


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that was otherwise when somebody looked."""

    what: str
    before: str = ""
    after: str = ""


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
    "policy": "the rules",
}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Changed, ...]:
    """In what two sheets of evidence (canonical values by name) differ, in words."""
    found = []
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was != now and name != "soak":
            found.append(Changed(_WORDS.get(name, name.replace("_", " ")), _spoken(was), _spoken(now)))
    return tuple(found)


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
