"""What CDEvents asks of an event: its context, its subject, the version of its type, and what a type cannot go without.

Source: the CDEvents specification, releases 0.3, 0.4 and 0.5. Versions of types that no release has are read as well,
since a field more does no harm, but not held against these rules beyond what all have in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import tree

TYPE = re.compile(r"dev\.cdevents\.([a-z]+)\.([a-z]+)\.(\d+)\.(\d+)\.(\d+)(-draft)?")
CUSTOM = re.compile(r"dev\.cdeventsx\.[a-z0-9]+-[a-z0-9]+\.[a-z]+\.\d+\.\d+\.\d+(-draft)?")
SPEC = re.compile(r"0\.[1-9]\d*\.\d+(-draft)?")
_OF = {
    "repository": "created modified deleted",
    "branch": "created deleted",
    "change": "created updated reviewed merged abandoned",
    "build": "queued started finished",
    "pipelinerun": "queued started finished",
    "taskrun": "started finished",
    "testcaserun": "queued started skipped finished",
    "testsuiterun": "queued started finished",
    "testoutput": "published",
    "artifact": "packaged signed published downloaded deleted",
    "environment": "created modified deleted",
    "service": "deployed upgraded rolledback removed published",
    "incident": "detected reported resolved",
    "ticket": "created updated closed",
}
_LATE = {("artifact", "downloaded"), ("artifact", "deleted"), ("testcaserun", "skipped")}
"""Types that came with 0.4; those of tickets did so too."""


def versions(subject: str, predicate: str) -> tuple[str, ...]:
    """Versions of a type that releases 0.3 to 0.5 have, oldest first; none for a type that is none of theirs."""
    if predicate not in _OF.get(subject, "").split():
        return ()
    if subject == "ticket" or (subject, predicate) in _LATE:
        return ("0.1.0", "0.2.0")
    if (subject, predicate) == ("change", "created"):
        return ("0.1.2", "0.2.0", "0.3.0", "0.4.0")
    first = {"branch": "0.1.2", "change": "0.1.2"}.get(subject, "0.1.1")
    if subject in ("testcaserun", "testsuiterun", "testoutput", "incident") or predicate == "signed":
        first = "0.1.0"
    return (first, "0.2.0", "0.3.0")


def broken(event: Any) -> Iterator[str]:
    """What in `event` is against the specification, each in a sentence; nothing for a sound one."""
    context, subject = tree.node(event, "context"), tree.node(event, "subject")
    kind = tree.text(context, "type") or ""
    for name in ("id", "source", "type", "timestamp"):
        if not tree.text(context, name):
            yield f"context.{name} is missing."
    spec = tree.text(context, "specversion") or tree.text(context, "version") or ""
    if not SPEC.fullmatch(spec):
        yield "context.specversion (until 0.4: context.version) names no release of the specification."
    if tree.text(context, "timestamp") and tree.time(context, "timestamp") is None:
        yield "context.timestamp is no time of RFC 3339."
    if not tree.word(subject, "id"):
        yield "subject.id is missing."
    if not isinstance(subject.get("content"), dict):
        yield "subject.content is missing."
    matched = TYPE.fullmatch(kind)
    if matched is None:
        if kind and not CUSTOM.fullmatch(kind):
            yield "context.type is neither dev.cdevents.SUBJECT.PREDICATE.VERSION nor a custom one."
        return
    if not versions(matched[1], matched[2]):
        yield f"There is no type {matched[1]}.{matched[2]}."
    yield from _content(matched[1], matched[2], subject)


def _content(subject: str, predicate: str, told: Mapping[str, Any]) -> Iterator[str]:
    """What the type cannot go without."""
    if subject in ("service", "incident") and not tree.word(told, "content", "environment", "id"):
        yield f"{subject}.{predicate} names no environment."
    shipped = tree.text(told, "content", "artifactId", limit=2000)
    if subject == "service" and predicate in ("deployed", "upgraded", "rolledback") and not shipped:
        yield f"{subject}.{predicate} names no artifactId."
    if subject == "incident" and predicate == "reported" and not tree.text(told, "content", "ticketURI"):
        yield "incident.reported names no ticketURI."
    if shipped and not shipped.startswith("pkg:"):
        yield "content.artifactId is no package address (pkg:…)."
