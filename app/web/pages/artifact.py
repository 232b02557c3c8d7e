"""An image: its tags, the commit it is of and who says so, where it runs, scans, bills, signatures, and what about it
is not as it should be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.read.fleet import Fleet
from app.read.image import artifact_page
from app.read.kept import Kept

from .framed import Held
from .packages import AT_ONCE, of_image, of_part, opened, part_of, search_of
from .page import Page

_REGIONS = ("sentence", "flags", "where", "proofs", "contents", "aside", "foot")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SORTS = frozenset({"artifact", "report", "deployment", "workload", "source"})


@dataclass(frozen=True, slots=True)
class ArtifactQuery:
    """Which image, by any of its digests, and which `package` and which hundred of what is in it."""

    digest: str
    package: str = ""
    part: int = 1

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> ArtifactQuery:
        """Read path and query string. Raises ValueError that says what is allowed."""
        told = dict(reversed([*params]))
        digest = told.get("digest", "").lower()
        if not _DIGEST.fullmatch(digest):
            raise ValueError("An image is named by its digest: sha256: and 64 hex digits.")
        return cls(digest, search_of(told), part_of(told))

    def query_string(self) -> str:
        """The canonical query string, without "?"."""
        return of_part(self.package, self.part)

    @property
    def first(self) -> int:
        """The first package shown, from 0."""
        return (self.part - 1) * AT_ONCE

    @property
    def end(self) -> int:
        """The first one that is not shown any more."""
        return self.first + AT_ONCE


async def find(fleet: Fleet, query: ArtifactQuery) -> Kept:
    """Hold the image. Raises LookupError when there is none."""
    return await fleet.keep(
        f"artifacts/{query.digest}",
        lambda: Kept(
            lambda connection, now: artifact_page(connection, fleet, query.digest, now),
            lambda topic: topic.sort in _SORTS,
            lasts=timedelta(minutes=1),
            rest=timedelta(seconds=2),
        ),
    )


async def _find(fleet: Fleet, query: ArtifactQuery) -> tuple[Kept, Kept]:
    return await find(fleet, query), await of_image(fleet, query.digest)


def _open(fleet: Fleet, query: ArtifactQuery, now: datetime, environments: Sequence[str]) -> Held:
    return Held(fleet, opened(fleet, f"artifacts/{query.digest}", query.package), _REGIONS, now)


PAGE = Page(
    path="/artifacts/{digest}",
    title="Image",
    template="artifact.html",
    regions=_REGIONS,
    parse=ArtifactQuery.parse,
    open=_open,
    find=_find,
    absent="No such image",
)
