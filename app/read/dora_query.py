"""Which figures of DORA are asked for: of which environment, service and window, from a query string and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from app.domain import instants
from app.domain.names import cut

from .board import Column
from .columns import columns
from .fleet import Fleet

WINDOWS = {"7d": timedelta(days=7), "30d": timedelta(days=30), "12w": timedelta(weeks=12)}
FIGURES = ("lead", "frequency", "recovery", "fail", "rework")


@dataclass(frozen=True, slots=True)
class DoraQuery:
    """Of which environment (empty: the last one), service (empty: all) and window the figures are; `until` is the end
    of the window (None: now). `figure` narrows the rows to those of one figure."""

    environment: str = ""
    service: str = ""
    window: str = "30d"
    until: datetime | None = None
    figure: str = ""

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> DoraQuery:
        """Read a query string. Raises ValueError that says what is allowed."""
        told = {name: cut(value.strip(), 200) for name, value in params}
        window, figure = told.get("window", "30d"), told.get("figure", "")
        if window not in WINDOWS:
            raise ValueError(f"window={window} is none. Use one of: {', '.join(WINDOWS)}.")
        if figure not in ("", *FIGURES):
            raise ValueError(f"figure={figure} is none. Use one of: {', '.join(FIGURES)}.")
        return cls(
            told.get("environment", ""), told.get("service", ""), window, instant(told, "until"), figure
        )

    def pairs(self) -> list[tuple[str, str]]:
        """What was asked, in canonical order."""
        found = [(n, getattr(self, n)) for n in ("environment", "service", "figure") if getattr(self, n)]
        found += [("window", self.window)] if self.window != "30d" else []
        return [*found, ("until", stamp(self.until))] if self.until else found

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return urlencode(self.pairs())

    def choosing(self, **told: str) -> str:
        """The query string with something else chosen."""
        return replace(self, **told).query_string()  # type: ignore[arg-type]


def instant(told: dict[str, str], name: str) -> datetime | None:
    """A parameter that is an instant; None without it. Raises ValueError."""
    text = told.get(name, "").replace(" ", "+")
    if not text:
        return None
    try:
        return instants.read(text)
    except ValueError:
        raise ValueError(f"{name}= is no instant. Use one like 2026-11-25T12:00:00Z.") from None


def stamp(at: datetime) -> str:
    """An instant for a query string."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def span(query: DoraQuery, now: datetime) -> tuple[datetime, datetime]:
    """Beginning and end of the window. Without an end told it ends with the minute, so that it can be asked for
    again."""
    until = query.until or now.replace(second=0, microsecond=0)
    return until - WINDOWS[query.window], until


def places(fleet: Fleet) -> tuple[Column, ...]:
    """Environments in promotion order."""
    return columns({row.place.environment for row in fleet.workloads.values()}, fleet.environments)
