"""What about the images that run is not as it should be, by workload: in memory beside the fleet.

Asked once a version, and again when something is told of its bytes, its tags, its commit or its deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.artifacts import Flag, FlagKind
from app.domain.names import ImageRef, Topic
from app.store.ci_tables import REPORTED
from app.store.report_tables import ALIAS, LINK, TAG

from .flags import NO_POLICY, ImageQuery, Policy, called, of_images
from .origins import Origins, asked_of
from .rows import WorkloadRow

_CHUNK = 500


class Marks:
    """Flags of workloads."""

    def __init__(self, policy: Policy = NO_POLICY) -> None:
        self._policy = policy
        self._asked: dict[str, ImageQuery] = {}
        self._flags: dict[str, tuple[Flag, ...]] = {}

    def of(self, key: str) -> tuple[Flag, ...]:
        """What is to be known of the images of a workload."""
        return self._flags.get(key, ())

    async def load(self, connection: AsyncConnection, rows: Iterable[WorkloadRow], origins: Origins) -> None:
        """Look at all of `rows` anew."""
        self._asked.clear()
        self._flags.clear()
        await self._look(connection, rows, origins)

    async def refresh(
        self,
        connection: AsyncConnection,
        topics: Iterable[Topic],
        rows: Mapping[str, WorkloadRow],
        origins: Origins,
        moved: Iterable[str] = (),
    ) -> frozenset[str]:
        """Take in `topics`, and that the commits of the workloads `moved` are others; answers the keys of workloads
        whose flags changed."""
        sorts: dict[str, set[str]] = {}
        for topic in topics:
            sorts.setdefault(topic.sort, set()).add(topic.key)
        wanted = {
            key for key in sorts.get("workload", ()) if key in rows and self._differs(rows[key], origins)
        }
        wanted |= {key for key in moved if key in rows}
        for key in sorts.get("workload", set()) - rows.keys():
            self._asked.pop(key, None)
            self._flags.pop(key, None)
        if digests := sorts.get("artifact"):
            wanted |= await self._concerned(connection, digests, origins, rows)
        if deployments := sorts.get("deployment"):
            repos = set(
                await connection.scalars(
                    select(REPORTED.c.repo).where(REPORTED.c.id.in_(sorted(deployments)[:_CHUNK]))
                )
            )
            wanted |= {key for key, one in self._asked.items() if one.repo in repos and key in rows}
        before = {key: self.of(key) for key in wanted}
        await self._look(connection, [rows[key] for key in sorted(wanted)], origins)
        return frozenset(key for key, was in before.items() if self.of(key) != was)

    def _differs(self, row: WorkloadRow, origins: Origins) -> bool:
        return self._asked.get(row.key) != _of(row, origins)

    async def _look(self, connection: AsyncConnection, rows: Iterable[WorkloadRow], origins: Origins) -> None:
        some = list(rows)
        asked = {row.key: one for row in some if (one := _of(row, origins))}
        told = await of_images(connection, asked, self._policy)
        self._asked |= asked
        for row in some:
            run = origins.running(row)
            # Where somebody told of the commit, the tag need not.
            flags = [
                f for f in told.get(row.key, ()) if f.kind is not FlagKind.NO_SHA or not (run and run.told)
            ]
            self._flags.pop(row.key, None)
            if flags:
                self._flags[row.key] = tuple(flags)

    async def _concerned(
        self,
        connection: AsyncConnection,
        digests: set[str],
        origins: Origins,
        rows: Mapping[str, WorkloadRow],
    ) -> set[str]:
        """Workloads whose images share a digest, another name of it, a tag or a commit with `digests`."""
        names, tags, shas = set(digests), set[tuple[str, str]](), set[str]()
        every = sorted(digests)
        for start in range(0, len(every), _CHUNK):
            some = every[start : start + _CHUNK]
            alike = select(ALIAS.c.digest, ALIAS.c.of).where(ALIAS.c.digest.in_(some) | ALIAS.c.of.in_(some))
            for alias in await connection.execute(alike):
                names |= {alias.digest, alias.of}
            tagged = select(TAG.c.name, TAG.c.tag).where(TAG.c.digest.in_(some))
            tags |= {(row.name, row.tag) for row in await connection.execute(tagged)}
            shas |= set(await connection.scalars(select(LINK.c.sha).where(LINK.c.digest.in_(some))))
        found = set()
        for key, one in self._asked.items():
            row = rows.get(key)
            if row is None:
                continue
            run = origins.running(row)
            refs = (ImageRef.parse(image) for image in one.images)
            mine = names & {*one.digests} or (run and run.sha in shas)
            if mine or any((name, ref.tag) in tags for ref in refs for name in called(ref.repository)):
                found.add(key)
        return found


def _of(row: WorkloadRow, origins: Origins) -> ImageQuery | None:
    asked = asked_of(row)
    if asked is None:
        return None
    run = origins.running(row)
    return ImageQuery(asked[1], asked[2], run.repo if run else "", row.place.environment)
