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

from .framed import Held, kept
from .page import Page

_REGIONS = ("sentence", "flags", "where", "proofs", "aside", "foot")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SORTS = frozenset({"artifact", "report", "deployment", "workload", "source"})


@dataclass(frozen=True, slots=True)
class ArtifactQuery:
    """Which image, by any of its digests."""

    digest: str

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> ArtifactQuery:
        """Read the path. Raises ValueError that says what is allowed."""
        digest = next((value for name, value in params if name == "digest"), "").lower()
        if not _DIGEST.fullmatch(digest):
            raise ValueError("An image is named by its digest: sha256: and 64 hex digits.")
        return cls(digest)

    def query_string(self) -> str:
        """Always empty: the path says it."""
        return ""


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


def _open(fleet: Fleet, query: ArtifactQuery, now: datetime, environments: Sequence[str]) -> Held:
    return Held(fleet, kept(fleet, f"artifacts/{query.digest}"), _REGIONS, now)


PAGE = Page(
    path="/artifacts/{digest}",
    title="Image",
    template="artifact.html",
    regions=_REGIONS,
    parse=ArtifactQuery.parse,
    open=_open,
    find=find,
    absent="No such image",
)
