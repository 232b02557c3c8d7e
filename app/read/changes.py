"""The commits between two versions of a workload, whichever way it goes, and where a commit can be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.evidence import Change
from app.domain.gates import Version
from app.domain.owners import Source
from app.domain.repositories import commit_page, full_sha
from app.domain.revisions import Revision
from app.store.ci_tables import COMMIT

from .reported import built, commits

SHOWN = 8
"""Commits that are listed; more are counted."""


@dataclass(frozen=True, slots=True)
class Between:
    """The commits that lie between two versions, newest first: `back`, they are undone; else they go in. `total` of
    them, of which `commits` are listed; `before` and `after` are the commits of the two versions."""

    back: bool
    before: str
    after: str
    total: int
    commits: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Revert:
    """The commit to be reverted so that an owner keeps the change: its repository (empty: not told), its id, its first
    line and where it can be looked at, as far as that is known."""

    repo: str
    sha: str
    title: str
    url: str


async def between(connection: AsyncConnection, before: Revision, after: Revision) -> Between | None:
    """What lies between two revisions; None where nothing tells, or nothing does."""
    old = await built(connection, Version(before.version, before.images))
    new = await built(connection, Version(after.version, after.images))
    going, _, undone = await commits(connection, old, new)
    found = going or (undone if going is not None else None)
    if not found:
        return None
    return Between(not going, old.sha, new.sha, len(found), found[:SHOWN])


async def titles(connection: AsyncConnection, versions: Iterable[str]) -> dict[str, str]:
    """The first lines of those of `versions` that are commits we were told of."""
    shas = [sha for sha in map(full_sha, versions) if sha]
    query = select(COMMIT.c.sha, COMMIT.c.title).where(COMMIT.c.sha.in_(shas))
    rows = await connection.execute(query) if shas else ()
    return {row.sha: row.title for row in rows if row.title}


async def revert(connection: AsyncConnection, source: Source) -> Revert:
    """The commit that an owner follows, with what the Git host told of it."""
    query = select(COMMIT.c.repo, COMMIT.c.title, COMMIT.c.url).where(COMMIT.c.sha == source.sha).limit(1)
    if source.repo:
        query = query.where(COMMIT.c.repo == source.repo)
    row = (await connection.execute(query)).first()
    repo = row.repo if row else source.repo
    url = (row.url if row else "") or commit_page(repo, source.sha)
    return Revert(repo, source.sha, (row.title or "") if row else "", url)
