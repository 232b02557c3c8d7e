"""What CI says of each service, in memory beside the fleet: its latest runs on the main branch, since when it is
over its budget or red, and which tests waver. Kept up by topics; a change costs the services it is about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import budget
from app.domain.names import Topic, cut
from app.domain.rollout import Attention
from app.store.ci_tables import RUN, RUN_SERVICE
from app.store.report_tables import CASE, REPORT, TESTS

from . import runs
from .runs import RunLine, timed
from .words import slug

MAIN = ("main", "master", "trunk", "default")
"""Branches that are the main one."""
SHOWN = 12
"""Latest runs kept of each service."""
SERVICES = 5_000
"""Most services followed."""
FLAKY_FOR = timedelta(days=14)
_FLAKY = 5
# Skips from one service to the next along the index, whatever the number of runs.
_NAMES = text(
    "WITH RECURSIVE name(x) AS (SELECT min(service) FROM run_service UNION ALL "
    "SELECT (SELECT min(service) FROM run_service WHERE service > x) FROM name WHERE x IS NOT NULL) "
    "SELECT x FROM name WHERE x IS NOT NULL LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class Since:
    """Since which run something is so, and for how many in a row. `seen`: the run before it was not so. `stage` grew
    by `grew` seconds; empty where that is not asked."""

    run: str
    sha: str
    title: str
    actor: str
    at: datetime
    runs: int
    seen: bool
    stage: str = ""
    grew: int = 0


@dataclass(frozen=True, slots=True)
class FlakyTest:
    """A case that had both outcomes on one commit, `times` in the last fourteen days."""

    suite: str
    name: str
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceBuilds:
    """CI of a service: `runs` of its pipeline on the main branch, newest first. `rank` orders services, worst
    first; `typical` is the median length in seconds of those that went through."""

    service: str
    slug: str
    rank: str
    runs: tuple[RunLine, ...]
    over: Since | None
    broken: Since | None
    flaky: tuple[FlakyTest, ...]
    typical: int | None
    as_of: datetime | None = None

    @property
    def latest(self) -> RunLine:
        """The newest run."""
        return self.runs[0]


class Builds:
    """`ServiceBuilds` by service."""

    def __init__(self) -> None:
        self._by_service: dict[str, ServiceBuilds] = {}
        self._lines: dict[str, Mapping[str, RunLine]] = {}

    @property
    def by_service(self) -> Mapping[str, ServiceBuilds]:
        """All of them; changed in place."""
        return self._by_service

    async def load(self, connection: AsyncConnection, now: datetime) -> None:
        """Read everything."""
        names = [row.x for row in await connection.execute(_NAMES, {"most": SERVICES})]
        lines = await self._read_lines(connection, names)
        found = await _told_of(connection, lines, now)
        self._by_service.clear()
        self._by_service.update(found)
        self._keep(names, lines)

    async def refresh(
        self, connection: AsyncConnection, topics: Iterable[Topic], now: datetime
    ) -> frozenset[str]:
        """Read again the services whose runs or reports `topics` name; answers those that came out different."""
        ids = sorted({topic.key for topic in topics if topic.sort == "run"})
        names: set[str] = set()
        for start in range(0, len(ids), runs.AT_ONCE):
            some = {"runs": ids[start : start + runs.AT_ONCE]}
            names |= set(await connection.scalars(_SERVICES, some))
        if not names:
            return frozenset()
        lines = await self._read_lines(connection, sorted(names), frozenset(ids))
        found = await _told_of(connection, lines, now)
        changed = {name for name in names if self._by_service.get(name) != found.get(name)}
        self._by_service.update(found)
        self._keep(names, lines)
        return frozenset(changed)

    def _keep(self, names: Iterable[str], lines: Mapping[str, tuple[RunLine, ...]]) -> None:
        for name in names:
            self._lines[name] = {line.id: line for line in lines.get(name, ())}

    async def _read_lines(
        self, connection: AsyncConnection, names: Sequence[str], dirty: frozenset[str] | None = None
    ) -> dict[str, tuple[RunLine, ...]]:
        """The runs to be shown of services, newest first; those kept are read again where `dirty` (None: all)."""
        ids: dict[str, list[str]] = {}
        kept: dict[str, RunLine] = {}
        for name in names:
            some = (await connection.execute(_NEWEST, {"service": name})).all()
            if some:
                ids[name] = [row.id for row in _main_pipeline(runs.latest_attempts(some))[:SHOWN]]
                if dirty is not None:
                    kept |= {i: line for i, line in self._lines.get(name, {}).items() if i not in dirty}
        wanted = sorted({i for some in ids.values() for i in some if i not in kept})
        for start in range(0, len(wanted), runs.AT_ONCE):
            part = {"runs": wanted[start : start + runs.AT_ONCE]}
            rows = (await connection.execute(_RUNS, part)).all()
            kept |= {line.id: line for line in await runs.lines(connection, rows)}
        return {name: tuple(kept[i] for i in some) for name, some in ids.items()}


_SERVICES = select(RUN_SERVICE.c.service).where(RUN_SERVICE.c.run.in_(bindparam("runs", expanding=True)))
_RUNS = select(RUN).where(RUN.c.id.in_(bindparam("runs", expanding=True)))
_NEWEST = runs.of_service(bindparam("service"), MAIN, 4 * SHOWN).with_only_columns(
    *(RUN.c[name] for name in ("id", "provider", "host", "project", "run", "attempt", "pipeline")),
    maintain_column_froms=True,
)


async def _told_of(
    connection: AsyncConnection, shown: Mapping[str, tuple[RunLine, ...]], now: datetime
) -> dict[str, ServiceBuilds]:
    failing = await _failing(connection, [some[0].sha for some in shown.values() if some[0].sha])
    flaky = await _flaky(connection, {some[0].repo for some in shown.values()}, now - FLAKY_FOR)
    return {
        name: service_builds(
            name, _told(some, failing.get((some[0].repo, some[0].sha))), flaky.get(some[0].repo, ())
        )
        for name, some in shown.items()
    }


def _main_pipeline(rows: Sequence[Any]) -> list[Any]:
    """Runs of the pipeline that most of them are of, as a deployment's or a nightly's are not builds."""
    counts = Counter(row.pipeline for row in rows)
    name = max(counts, key=lambda one: (counts[one], one or ""))
    return [row for row in rows if row.pipeline == name]


def _told(some: tuple[RunLine, ...], failing: int | None) -> tuple[RunLine, ...]:
    """`some` with what tests said of the newest."""
    if failing is None:
        return some
    first = replace(some[0], failing=failing)
    if failing and first.verdict is budget.Verdict.RED:
        first = replace(first, word=f"{failing:,} test{' fails' if failing == 1 else 's fail'}")
    return (first, *some[1:])


def service_builds(
    service: str, some: tuple[RunLine, ...], flaky: tuple[FlakyTest, ...] = ()
) -> ServiceBuilds:
    """What is to be said of a service with these runs, newest first."""
    told = [timed(run) for run in some]
    late, red = budget.over(told), budget.broken(told)
    usual = budget.typical(told)
    attention = some[0].attention or Attention.UNKNOWN
    order = 0 if red else 1 if attention is Attention.MOVING else 2 if late else 3
    return ServiceBuilds(
        service=service,
        slug=slug(service),
        rank=f"{order}-{10**12 - int(some[0].begun_at.timestamp()):012d}-{service}",
        runs=some,
        over=_since(late.since, late.runs, late.seen, late.stage, late.grew) if late else None,
        broken=_since(red.by, red.runs, red.seen) if red else None,
        flaky=flaky,
        typical=round(usual) if usual is not None else None,
    )


def _since(run: budget.Timed, count: int, seen: bool, stage: str = "", grew: float = 0.0) -> Since:
    return Since(run.run, run.sha, run.title, run.actor, run.at, count, seen, stage, round(grew))


async def _failing(connection: AsyncConnection, shas: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many cases failed in reports of commits, by (repository, commit)."""
    found: dict[tuple[str, str], int] = {}
    for start in range(0, len(shas), runs.AT_ONCE):
        for row in await connection.execute(_FAILED, {"shas": shas[start : start + runs.AT_ONCE]}):
            found[row.repo, row.sha] = int(row.n or 0)
    return found


_FAILED = (
    select(REPORT.c.repo, REPORT.c.sha, func.sum(TESTS.c.failed + TESTS.c.errors).label("n"))
    .join(TESTS, TESTS.c.id == REPORT.c.id)
    .where(REPORT.c.sha.in_(bindparam("shas", expanding=True)))
    .group_by(REPORT.c.repo, REPORT.c.sha)
)


async def _flaky(
    connection: AsyncConnection, repos: Iterable[str], since: datetime
) -> dict[str, tuple[FlakyTest, ...]]:
    """Cases that waver, by repository, those seen most often first."""
    names, found = sorted(repos), dict[str, tuple[FlakyTest, ...]]()
    for start in range(0, len(names), runs.AT_ONCE):
        some = {"repos": names[start : start + runs.AT_ONCE], "since": since}
        for row in await connection.execute(_WAVERED, some):
            known = found.get(row.repo, ())
            if len(known) < _FLAKY:
                one = FlakyTest(cut(row.suite, 120), cut(row.name, 120), row.times, row.last)
                found[row.repo] = (*known, one)
    return found


_WAVERED = (
    select(
        REPORT.c.repo,
        CASE.c.suite,
        CASE.c.name,
        (_times := func.count().label("times")),
        func.max(REPORT.c.received_at).label("last"),
    )
    .join(TESTS, TESTS.c.id == REPORT.c.id)
    .join(CASE, CASE.c.report == REPORT.c.id)
    .where(REPORT.c.repo.in_(bindparam("repos", expanding=True)), REPORT.c.received_at >= bindparam("since"))
    .where(TESTS.c.flaky > 0, CASE.c.flaky.is_(True))
    .group_by(REPORT.c.repo, CASE.c.identity, CASE.c.suite, CASE.c.name)
    .order_by(_times.desc(), CASE.c.name)
    .limit(2_000)
)
