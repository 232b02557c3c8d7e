"""What asking an API needs to remember between two rounds, and what it finds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.ci import CiFact

from ..outbound import Answer, Outbound

MAX_PAGES = 10
MAX_DETAILS = 50
"""Runs whose jobs are asked for in one round; the others wait for the next."""


@dataclass(slots=True)
class Memory:
    """Of one hook: entity tags by address with the answer they are of, what runs were last seen as, which
    deliveries were asked for again."""

    tags: dict[str, tuple[str, Answer]] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    hook: str = ""

    async def get(self, api: Outbound, path: str) -> Answer:
        """GET with the tag of the last time; a 304, which costs nothing, gives what it gave then."""
        tag, before = self.tags.get(path, ("", None))
        answer = await api.get(path, **({"if-none-match": tag} if tag else {}))
        if answer.status == 304 and before is not None:
            return before
        if fresh := answer.headers.get("etag", ""):
            if len(self.tags) > 500:
                self.tags.clear()
            self.tags[path] = (fresh, answer)
        return answer

    def changed(self, key: str, face: str) -> bool:
        """Whether a run is not as it was last seen; remembers it."""
        if self.seen.get(key) == face:
            return False
        if len(self.seen) > 20_000:
            self.seen.clear()
        self.seen[key] = face
        return True


@dataclass(frozen=True, slots=True)
class Found:
    """What a round found: facts, and how many lost webhooks were asked for again."""

    facts: tuple[CiFact, ...] = ()
    redelivered: int = 0


Poll = Callable[[Outbound, Memory, str, datetime, datetime], Awaitable[Found]]
"""Asks `api` about a repository: what happened since a moment, as of now. Raises ClusterError."""


async def pages(
    api: Outbound, memory: Memory, path: str, following: Callable[[Answer], str]
) -> AsyncIterator[Answer]:
    """The page at `path` and those that follow, at most `MAX_PAGES`. Raises ClusterError."""
    for _ in range(MAX_PAGES):
        answer = await memory.get(api, path)
        yield answer
        path = following(answer)
        if not path:
            return


def following(answer: Answer) -> str:
    """The address of the page that follows (RFC 8288), empty on the last."""
    for part in answer.headers.get("link", "").split(","):
        address, _, about = part.partition(";")
        if 'rel="next"' in about:
            return address.strip().strip("<>")
    return ""
