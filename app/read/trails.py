"""When the commits of main branches were made, and which commit a version is of: what lead times are counted from.

Kept in memory by repository, since a quarter of a year of commits is tens of thousands of rows of which a minute
changes a handful; what is told of a commit or an image forgets its repository. Eight bytes a commit.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.names import Topic
from app.store.ci_tables import ARTIFACT, COMMIT, beside
from app.store.report_tables import TAG

from .builds import MAIN
from .squashes import squashed

_CHUNK, _PART, _ABREAST = 500, 2_000, 20


@dataclass(slots=True, eq=False)
class _Trail:
    """Of one repository: times of the commits of its main branch `since` (None: none were read), ascending; by their
    places, the times of those that some were squashed from; the times of some by commit, and the commits of some
    versions (None: not known)."""

    since: datetime | None = None
    times: array[float] = field(default_factory=lambda: array("d"))
    squashed: dict[int, tuple[datetime, ...]] = field(default_factory=dict)
    at: dict[str, float | None] = field(default_factory=dict)
    commits: dict[str, str | None] = field(default_factory=dict)


class Trails:
    """The trails of repositories."""

    def __init__(self) -> None:
        self._trails: dict[str, _Trail] = {}

    def clear(self) -> None:
        """Forget all of them."""
        self._trails.clear()

    async def refresh(self, connection: AsyncConnection, topics: Iterable[Topic]) -> None:
        """Forget the repositories that `topics` tell something new of."""
        if not self._trails:
            return
        names: dict[str, set[str]] = {"commit": set(), "artifact": set()}
        for topic in topics:
            if topic.sort in names:
                names[topic.sort].add(topic.key)
        for sort, column, repo in (
            ("commit", COMMIT.c.sha, COMMIT.c.repo),
            ("artifact", ARTIFACT.c.digest, ARTIFACT.c.repo),
        ):
            for some in _chunks(names[sort]):
                for name in await connection.scalars(select(repo).where(column.in_(some)).distinct()):
                    self._trails.pop(name, None)

    async def read(
        self,
        connection: AsyncConnection,
        repos: Iterable[str],
        versions: Iterable[tuple[str, str]],
        shas: Iterable[tuple[str, str]],
    ) -> Read:
        """The trails of `repos` since the first of the commits of `versions` and of `shas`, which are (repository,
        name), with those."""
        trails = {repo: self._trails.setdefault(repo, _Trail()) for repo in repos}
        versions, shas = tuple(versions), tuple(shas)
        wanted = {pair for pair in versions if pair[1] not in trails[pair[0]].commits}
        await _commits(connection, trails, wanted)
        every = {pair for pair in shas if pair[1] not in trails[pair[0]].at}
        for repo, trail in trails.items():
            every |= {(repo, sha) for sha in trail.commits.values() if sha and sha not in trail.at}
        await _places(connection, trails, every)
        await _times(connection, _late(trails, versions, shas))
        return Read(trails)

    def held(self, repo: str) -> object:
        """The trail of `repo` as `Read` has it: another one once something new was told of it; None without one."""
        return self._trails.get(repo)

    def forget(self, repos: Iterable[str]) -> None:
        """Forget those of `repos`."""
        for repo in repos:
            self._trails.pop(repo, None)


@dataclass(frozen=True, slots=True)
class Read:
    """Trails as they were read."""

    trails: dict[str, _Trail]

    def commit(self, repo: str, version: str) -> str:
        """The commit of a version; empty where nothing tells."""
        return self.trails[repo].commits.get(version) or ""

    def place(self, repo: str, sha: str) -> int | None:
        """How many commits the main branch has up to this one, those of the same instant included; None where it is not
        one of them."""
        at = self.trails[repo].at.get(sha)
        return None if at is None else bisect_right(self.trails[repo].times, at)

    def between(self, repo: str, first: int, last: int) -> tuple[datetime, ...]:
        """When the commits after the first `first` and up to the `last` were made: their own times, or of those that
        they were squashed from."""
        trail = self.trails[repo]
        own = (datetime.fromtimestamp(at, UTC) for at in trail.times[first:last])
        if not trail.squashed:
            return tuple(own)
        return tuple(each for n, at in enumerate(own, first) for each in trail.squashed.get(n, (at,)))


def _late(
    trails: Mapping[str, _Trail], versions: Iterable[tuple[str, str]], shas: Iterable[tuple[str, str]]
) -> list[tuple[datetime, str, _Trail]]:
    """The trails that do not reach back to the first of the commits asked for, each with when that was, oldest first:
    nothing before it is between two of them."""
    first: dict[str, float] = {}
    named = [(repo, trails[repo].commits.get(version)) for repo, version in versions]
    for repo, sha in (*named, *shas):
        at = trails[repo].at.get(sha or "")
        if at is not None:
            first[repo] = min(at, first.get(repo, at))
    asked = ((datetime.fromtimestamp(at, UTC), repo, trails[repo]) for repo, at in first.items())
    late = [(at, repo, trail) for at, repo, trail in asked if trail.since is None or trail.since > at]
    return sorted(late, key=itemgetter(0, 1))


async def _times(connection: AsyncConnection, late: Sequence[tuple[datetime, str, _Trail]]) -> None:
    for start in range(0, len(late), _ABREAST):
        trails = {repo: trail for _, repo, trail in late[start : start + _ABREAST]}
        some, since = sorted(trails), late[start][0]
        went = await squashed(connection, some, since)
        query = (
            select(COMMIT.c.repo, COMMIT.c.sha, COMMIT.c.at)
            .where(COMMIT.c.repo.in_(some), COMMIT.c.at >= since, COMMIT.c.branch.in_(MAIN))
            .order_by(COMMIT.c.repo, COMMIT.c.at, COMMIT.c.sha)
        )
        found: dict[str, array[float]] = {repo: array("d") for repo in some}
        came: dict[str, dict[int, tuple[datetime, ...]]] = {repo: {} for repo in some}
        # A part at a time, in between which others are served: these are millions of rows where much is built.
        async with connection.stream(query.execution_options(yield_per=_PART)) as rows:
            async for part in rows.partitions():
                for repo, sha, at in part:
                    if from_ := went.get((repo, sha)):
                        came[repo][len(found[repo])] = tuple(each.at for each in from_)
                    found[repo].append(at.timestamp())
        for repo, times in found.items():
            trails[repo].times, trails[repo].squashed, trails[repo].since = times, came[repo], since


async def _commits(
    connection: AsyncConnection, trails: dict[str, _Trail], wanted: set[tuple[str, str]]
) -> None:
    """Fill in the commits of versions, by the tags of the images that were made of them."""
    for repo, version in wanted:
        trails[repo].commits[version] = None
    for repos in _chunks(trails, 200):
        mine = set(repos)
        for tags in _chunks({version for repo, version in wanted if repo in mine}):
            query = (
                select(ARTIFACT.c.repo, TAG.c.tag, ARTIFACT.c.sha)
                .join(TAG, TAG.c.digest == ARTIFACT.c.digest)
                .where(TAG.c.tag.in_(tags), beside(ARTIFACT.c.repo).in_(repos), ARTIFACT.c.sha.is_not(None))
                .order_by(TAG.c.at)
            )
            for repo, tag, sha in (await connection.execute(query)).all():
                if (repo, tag) in wanted:
                    trails[repo].commits[tag] = sha


async def _places(
    connection: AsyncConnection, trails: dict[str, _Trail], wanted: set[tuple[str, str]]
) -> None:
    for repo, sha in wanted:
        trails[repo].at[sha] = None
    for shas in _chunks({sha for _, sha in wanted}):
        query = select(COMMIT.c.repo, COMMIT.c.sha, COMMIT.c.at).where(
            COMMIT.c.sha.in_(shas), COMMIT.c.branch.in_(MAIN)
        )
        for repo, sha, at in (await connection.execute(query)).all():
            if repo in trails and sha in trails[repo].at:
                trails[repo].at[sha] = at.timestamp()


def _chunks(names: Iterable[str], size: int = _CHUNK) -> Iterator[Sequence[str]]:
    every = sorted(names)
    for start in range(0, len(every), size):
        yield every[start : start + size]
