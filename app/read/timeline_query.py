"""Which deployments the timeline is asked for, from a query string and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from app.domain.names import cut
from app.domain.rollout import Outcome

from .dora_query import instant, stamp

DAYS = {
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "12w": timedelta(weeks=12),
}


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    """Which deployments: of these environments and services (empty: all), ended as `outcome` says, within `window`
    before now; from before `before` on."""

    environment: str = ""
    service: str = ""
    outcome: str = ""
    window: str = "7d"
    before: datetime | None = None

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> TimelineQuery:
        """Read a query string. Raises ValueError that says what is allowed."""
        told = {name: cut(value.strip(), 200) for name, value in params}
        outcome, window = told.get("outcome", ""), told.get("window", "7d")
        if outcome not in ("", "running", *(o.value for o in Outcome)):
            raise ValueError(f"outcome={outcome} is none. Use running or one of: {', '.join(Outcome)}.")
        if window not in DAYS:
            raise ValueError(f"window={window} is none. Use one of: {', '.join(DAYS)}.")
        return cls(
            told.get("environment", ""), told.get("service", ""), outcome, window, instant(told, "before")
        )

    def pairs(self) -> list[tuple[str, str]]:
        """What was asked, in canonical order."""
        found = [(n, getattr(self, n)) for n in ("environment", "service", "outcome") if getattr(self, n)]
        found += [("window", self.window)] if self.window != "7d" else []
        return [*found, ("before", stamp(self.before))] if self.before else found

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return urlencode(self.pairs())

    def choosing(self, **told: str) -> str:
        """The query string with something else chosen, from the beginning."""
        return replace(self, before=None, **told).query_string()
