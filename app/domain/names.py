"""Value objects that name things: a workload, the image it runs, and the place it has on the board.

Parsing is total: text from a cluster is never trusted to be well formed, so every parser answers something printable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MAX_TEXT = 500
"""Longest text kept from a cluster for display, in characters; the rest is cut with an ellipsis."""


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """`text` without control characters, at most `limit` characters, ending in an ellipsis when it was longer."""
    if len(text) <= limit and text.isprintable():
        return text
    clean = "".join(c if c.isprintable() else " " for c in text[: limit + 1])
    return clean if len(text) <= limit else clean[: limit - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True, order=True)
class WorkloadRef:
    """Where a workload is found: cluster (our name for it), namespace, kind ("Deployment") and name."""

    cluster: str
    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.namespace}/{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A container image: repository, tag and digest; tag and digest are empty when not given."""

    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Read `[registry[:port]/]repository[:tag][@digest]` (the distribution reference grammar); never raises."""
        name, _, digest = text.partition("@")
        head, slash, last = name.rpartition("/")
        last, _, tag = last.partition(":")
        return cls(head + slash + last, tag, digest)

    @property
    def version(self) -> str:
        """What people call it: the tag, else twelve characters of the digest, else "latest" as the runtime would."""
        if self.tag:
            return self.tag
        return self.digest.partition(":")[2][:12] or "latest"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A cell of the board: the service a workload belongs to, the environment it serves, the team that ships it."""

    service: str
    environment: str
    team: str = ""


class Topic(NamedTuple):
    """What changed: a sort ("workload", "source", "rollout") and the key of the row."""

    sort: str
    key: str


EVERYTHING = Topic("everything", "")
"""Anything may have changed: whoever hears it looks at all that it holds."""
