"""Which commits of a branch landed as another one: a squash, or the last of a rebase, has taken their place.

The pull request tells of its last commit, and where the Git host's API is asked, of each. What was pushed to the same
branch before that, since the one that landed before it, went with it. GitLab may merge a squash by one more commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.ci_tables import COMMIT

from .builds import MAIN

LONGEST = timedelta(days=90)
"""How long before it lands a commit is looked for, and how long after it what it landed as."""
MOST = 20_000
_COLUMNS = ("repo", "sha", "at", "title", "author", "branch", "landed", "pushed_at")


async def squashed(
    connection: AsyncConnection,
    repos: Iterable[str],
    since: datetime,
    until: datetime | None = None,
    *,
    through: bool = False,
) -> Mapping[tuple[str, str], tuple[Any, ...]]:
    """Rows of commits by (repository, commit they landed as), newest first, of those made from `since` on or a while
    before, up to a while after `until` (None: now). None is of a main branch. `through`: also by the merge of a
    squash."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    names = sorted(repos)
    for start in range(0, len(names), 200):
        some = names[start : start + 200]
        recent = [COMMIT.c.repo.in_(some), COMMIT.c.at >= since - LONGEST]
        recent += [COMMIT.c.at < until + LONGEST] if until else []
        apart = COMMIT.c.branch.is_(None) | COMMIT.c.branch.not_in(MAIN)
        columns = [COMMIT.c[name] for name in _COLUMNS]
        heads = select(*columns).where(*recent, apart, COMMIT.c.landed.is_not(None))
        rows = (await connection.execute(heads.order_by(COMMIT.c.at.desc()).limit(MOST))).all()
        for row in rows:
            found.setdefault((row.repo, row.landed), {})[row.sha] = row
        branches = {row.branch for row in rows if row.branch}
        if not branches:
            continue
        beside = select(*columns).where(*recent, COMMIT.c.branch.in_(sorted(branches)))
        went: dict[tuple[str, str], str] = {}
        for row in await connection.execute(beside.order_by(COMMIT.c.at.desc(), COMMIT.c.sha).limit(MOST)):
            place = (row.repo, row.branch)
            if row.landed:
                went[place] = row.landed
            elif place in went:
                found[row.repo, went[place]].setdefault(row.sha, row)
        if through:
            merges = select(COMMIT.c.repo, COMMIT.c.sha, COMMIT.c.landed).where(
                *recent, COMMIT.c.branch.in_(MAIN)
            )
            for row in await connection.execute(merges.where(COMMIT.c.landed.is_not(None)).limit(MOST)):
                if went_in := found.get((row.repo, row.sha)):
                    found.setdefault((row.repo, row.landed), {}).update(went_in)
    return {
        key: tuple(sorted(rows.values(), key=lambda row: (row.at, row.sha), reverse=True))
        for key, rows in found.items()
    }
