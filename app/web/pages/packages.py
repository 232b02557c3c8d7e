"""What a bill of materials lists, on the pages that show one: searched, a hundred at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from app.domain.packages import Package, words
from app.read import packages as read
from app.read.fleet import Fleet
from app.read.kept import Kept
from app.read.packages import Packages

from .framed import kept

AT_ONCE = 100
"""Packages, tests or findings on a page."""


def part_of(told: Mapping[str, str]) -> int:
    """Which hundred is asked for, from 1. Raises ValueError."""
    part = told.get("part", "1")
    if not (part.isdecimal() and len(part) < 4 and int(part)):
        raise ValueError("part= is no number of a page. Use 1, 2, 3 …")
    return int(part)


def search_of(told: Mapping[str, str]) -> str:
    """Which package is asked for, in a normal form; empty for none. Raises ValueError."""
    return " ".join(words(told.get("package", "")))


def of_part(search: str, part: int) -> str:
    """The canonical query string of both, without "?"."""
    told = {"package": search, "part": part if part > 1 else ""}
    return urlencode({name: value for name, value in told.items() if value})


@dataclass(frozen=True, slots=True)
class Opened:
    """A model with what it is made of: `found` is what a search leaves of `contents`."""

    of: Any
    contents: Packages
    found: tuple[Package, ...]


def opened(fleet: Fleet, name: str, search: str) -> Callable[[datetime], Opened]:
    """Looks at the model that is held under `name`, and at its packages."""
    model, listed = kept(fleet, name), kept(fleet, _name(name))
    wanted = words(search)
    last: list[tuple[Packages, tuple[Package, ...]]] = []

    def look(now: datetime) -> Opened:
        contents = listed(now)
        if not last or last[0][0] is not contents:
            last[:] = [(contents, contents.found(wanted))]
        return Opened(model(now), contents, last[0][1])

    return look


async def of_report(fleet: Fleet, report: str) -> Kept:
    """Hold the packages that a report lists. Raises StoreUnavailable."""
    return await fleet.keep(
        _name(f"reports/{report}"),
        lambda: Kept(
            lambda connection, _: read.of_report(connection, report),
            lambda topic: topic == ("report", report),  # it may come again whole that was refused
        ),
    )


async def of_image(fleet: Fleet, digest: str) -> Kept:
    """Hold the packages of an image. Raises StoreUnavailable."""
    return await fleet.keep(
        _name(f"artifacts/{digest}"),
        lambda: Kept(
            lambda connection, _: read.of_image(connection, digest),
            lambda topic: topic.sort == "artifact",
            rest=timedelta(seconds=2),
        ),
    )


def _name(name: str) -> str:
    return f"{name}/packages"
