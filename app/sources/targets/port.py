"""What a target is: something that takes a message, or says in a ClusterError why it did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.notices import Notice

MOST_LINES = 20
"""Lines of a digest; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: one notice, or several as a digest. `id` is the same at every try; `base` the board's address;
    `root` what the target called the first message of the thread, empty where this is it."""

    id: str
    notices: tuple[Notice, ...]
    at: datetime
    base: str
    root: str = ""

    @property
    def digest(self) -> bool:
        """Whether it tells of several changes."""
        return len(self.notices) > 1

    @property
    def title(self) -> str:
        """One sentence."""
        return f"{len(self.notices)} things changed." if self.digest else self.notices[0].title

    @property
    def lines(self) -> tuple[str, ...]:
        """What follows the title: the rest of the one notice, or a line for each."""
        if not self.digest:
            return (self.notices[0].text,) if self.notices[0].text else ()
        more = len(self.notices) - MOST_LINES
        found = tuple(notice.title for notice in self.notices[:MOST_LINES])
        return (*found, f"And {more} more.") if more > 0 else found

    @property
    def url(self) -> str:
        """The page it is about; that of the board for a digest."""
        return self.link(self.notices[0]) if not self.digest else f"{self.base}/"

    def link(self, notice: Notice) -> str:
        """The page of one of its notices."""
        return f"{self.base}{notice.path}"


class Target(Protocol):
    """A place to send messages to. `sort` is what it is ("webhook", "slack", "mailto")."""

    @property
    def sort(self) -> str: ...

    async def send(self, message: Message) -> str:
        """Send a message; what the target calls it, empty where it does not say. Raises ClusterError."""
        ...

    async def close(self) -> None: ...
