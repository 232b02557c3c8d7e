"""Which commit each workload runs, and how many commits lie between two of a service: in memory beside the fleet.

What an image was made from is asked once a version (again where nothing told it, when CI says something new). Of a
repository the newest commits of its main branch are kept in order; what lies further back differs, uncounted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.artifacts import Trust
from app.domain.names import ImageRef, Topic
from app.store.ci_tables import ARTIFACT, COMMIT
from app.store.report_tables import LINK, TAG

from . import artifacts
from .builds import MAIN
from .rows import WorkloadRow

TRAIL = 200
"""Newest commits kept of each repository."""
_CHUNK = 40
Asked = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A version, its images and the digests that run."""


@dataclass(frozen=True, slots=True)
class Running:
    """The commit that something runs, and who says so; `told`: somebody did, it is not read off the tag alone."""

    repo: str
    sha: str
    said: str
    told: bool = True


@dataclass(frozen=True, slots=True)
class TrailCommit:
    """A commit of the main branch."""

    sha: str
    at: datetime
    title: str
    author: str
    pushed_at: datetime | None = None


class Origins:
    """Commits of what runs, and the way between them."""

    def __init__(self) -> None:
        self._running: dict[Asked, Running | None] = {}
        self._trails: dict[str, tuple[TrailCommit, ...]] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._of: dict[str, Asked] = {}

    def running(self, row: WorkloadRow) -> Running | None:
        """What `row` runs; None where nothing tells."""
        asked = asked_of(row)
        return self._running.get(asked) if asked else None

    def between(self, newer: Running | None, older: Running | None) -> int | None:
        """How many commits `newer` is ahead of `older`; None where it cannot be counted or it is not ahead."""
        commits = self.ahead(newer, older)
        return None if commits is None else len(commits)

    def ahead(self, newer: Running | None, older: Running | None) -> tuple[TrailCommit, ...] | None:
        """The commits that `newer` has and `older` has not, newest first; None as `between`."""
        if newer is None or older is None or newer.repo != older.repo:
            return None
        places = self._places.get(newer.repo, {})
        first, last = places.get(newer.sha), places.get(older.sha)
        if first is None or last is None or first > last:
            return None
        return self._trails[newer.repo][first:last]

    async def load(self, connection: AsyncConnection, rows: Iterable[WorkloadRow]) -> None:
        """Look for the commits of `rows` anew."""
        self._running.clear()
        self._trails.clear()
        self._places.clear()
        self._of = {row.key: asked for row in rows if (asked := asked_of(row))}
        await self._resolve(connection, set(self._of.values()))

    async def refresh(
        self, connection: AsyncConnection, topics: Iterable[Topic], rows: Mapping[str, WorkloadRow]
    ) -> frozenset[str]:
        """Take in `topics`; answers the keys of workloads whose commit, or whose way, may be another now."""
        sorts: dict[str, set[str]] = {}
        for topic in topics:
            sorts.setdefault(topic.sort, set()).add(topic.key)
        wanted: set[Asked] = set()
        for key in sorts.get("workload", ()):
            row = rows.get(key)
            asked = asked_of(row) if row else None
            if asked is None:
                self._of.pop(key, None)
                continue
            self._of[key] = asked
            if asked not in self._running:
                wanted.add(asked)
        if sorts.get("artifact") or sorts.get("commit"):
            wanted |= {asked for asked in self._of.values() if self._running.get(asked) is None}
        before = {asked: self._running.get(asked) for asked in wanted}
        if wanted:
            await self._resolve(connection, wanted)
        moved = await self._follow(connection, sorts.get("commit", ()))
        odd = {asked for asked, was in before.items() if self._running.get(asked) != was}
        if len(self._running) > 2 * len(self._of) + 100:
            self._running = {asked: self._running.get(asked) for asked in set(self._of.values())}
        if not odd and not moved:
            return frozenset()
        return frozenset(
            key
            for key, asked in self._of.items()
            if asked in odd or ((run := self._running.get(asked)) and run.repo in moved)
        )

    async def _resolve(self, connection: AsyncConnection, wanted: set[Asked]) -> None:
        told = select(
            exists(select(ARTIFACT.c.digest)) | exists(select(LINK.c.digest)) | exists(select(COMMIT.c.id))
        )
        if not wanted or not await connection.scalar(told):
            self._running.update(dict.fromkeys(wanted, None))
            return
        todo = sorted(wanted)
        for start in range(0, len(todo), _CHUNK):
            some = todo[start : start + _CHUNK]
            tagged = await tagged_digests(connection, some)
            running = {
                str(n): artifacts.Running(asked[0], asked[1], (*asked[2], *tagged.get(asked, ())))
                for n, asked in enumerate(some)
            }
            told_of = await artifacts.origins(connection, running)
            for n, asked in enumerate(some):
                origin = told_of.get(str(n))
                self._running[asked] = (
                    Running(origin.repo, origin.sha, origin.said, origin.trust < Trust.TAG)
                    if origin
                    else None
                )
        repos = {run.repo for asked in todo if (run := self._running.get(asked)) and run.repo}
        for repo in sorted(repos - self._trails.keys()):
            await self._trail(connection, repo)

    async def _follow(self, connection: AsyncConnection, shas: Iterable[str]) -> set[str]:
        """Read the trails again that have new commits."""
        fresh, moved = sorted(shas), set[str]()
        if not fresh or not self._trails:
            return moved
        for start in range(0, len(fresh), 500):
            some = fresh[start : start + 500]
            repos = await connection.scalars(select(COMMIT.c.repo).where(COMMIT.c.sha.in_(some)).distinct())
            moved |= set(repos) & self._trails.keys()
        odd = set()
        for repo in sorted(moved):
            before = self._trails.get(repo)
            await self._trail(connection, repo)
            if self._trails[repo] != before:
                odd.add(repo)
        return odd

    async def _trail(self, connection: AsyncConnection, repo: str) -> None:
        found = await trail(connection, repo)
        self._trails[repo] = found
        self._places[repo] = {commit.sha: place for place, commit in enumerate(found)}


async def trail(connection: AsyncConnection, repo: str, limit: int = TRAIL) -> tuple[TrailCommit, ...]:
    """The newest commits of a repository's main branch, newest first."""
    query = (
        select(COMMIT.c.sha, COMMIT.c.at, COMMIT.c.title, COMMIT.c.author, COMMIT.c.pushed_at)
        .where(COMMIT.c.repo == repo, COMMIT.c.branch.in_(MAIN))
        .order_by(COMMIT.c.at.desc(), COMMIT.c.sha)
        .limit(limit)
    )
    return tuple(
        TrailCommit(row.sha, row.at, row.title or "", row.author or "", row.pushed_at)
        for row in await connection.execute(query)
    )


async def tagged_digests(connection: AsyncConnection, some: Sequence[Asked]) -> dict[Asked, tuple[str, ...]]:
    """Digests that the tags of images were seen with: under the very name, else under one with the same last part,
    since registries are mirrored."""
    tags = {ref.tag for _, images, _ in some for ref in map(ImageRef.parse, images) if ref.tag}
    if not tags:
        return {}
    rows = (
        await connection.execute(
            select(TAG.c.name, TAG.c.tag, TAG.c.digest)
            .where(TAG.c.tag.in_(tags))
            .order_by(TAG.c.at.desc())
            .limit(5_000)
        )
    ).all()
    exact: dict[tuple[str, str], list[str]] = {}
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        exact.setdefault((row.name, row.tag), []).append(row.digest)
        alike.setdefault((row.name.rpartition("/")[2], row.tag), []).append(row.digest)
    found: dict[Asked, tuple[str, ...]] = {}
    for asked in some:
        mine: list[str] = []
        for ref in map(ImageRef.parse, asked[1]):
            last = ref.repository.rpartition("/")[2]
            mine += exact.get((ref.repository, ref.tag)) or alike.get((last, ref.tag), [])[:1]
        found[asked] = tuple(dict.fromkeys(mine))
    return found


def asked_of(row: WorkloadRow) -> Asked | None:
    """What is asked of a workload; None where its images are not known."""
    revision = row.state.revision
    return (revision.version, revision.images, revision.digests) if revision and revision.images else None
