"""Looks at CI become rows: each is joined with what is known, so that any order, copy or replay of the same
looks ends in the same rows; what a look does not change is not written.

On PostgreSQL one process at a time does so (an advisory lock), since joining is read, then write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Table, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.ci import (
    RANKS,
    ArtifactSeen,
    CiFact,
    CiOutcome,
    CiPhase,
    CommitSeen,
    DeploymentSeen,
    JobSeen,
    RunSeen,
    Status,
    thing,
    told_by,
)
from app.domain.converge import Mark, Marked, Thing, join
from app.domain.jobs import JobRule, stage_of
from app.domain.names import Topic
from app.domain.repositories import Ships, services_of
from app.store.ci_tables import ARTIFACT, COMMIT, JOB, REPORTED, RUN, RUN_SERVICE
from app.store.db import Database
from app.store.mapping import AnyRow, Values

_AT_ONCE = 500
_LOCK = 0x5348_4349
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNTOLD: Values = {"phase": CiPhase.QUEUED, "outcome": None, "raw": ""}
_encoder = msgspec.json.Encoder()
_marks = msgspec.json.Decoder(dict[str, tuple[int, int]])


@dataclass(frozen=True, slots=True)
class CiRules:
    """What the configuration says of repositories and jobs. Rows made before it changed keep what it said then
    until a next look at them."""

    services: tuple[Ships, ...] = ()
    stages: tuple[JobRule, ...] = ()


NO_RULES = CiRules()


@dataclass(frozen=True, slots=True)
class _Kind:
    """How looks of one type are kept: the table, its key, and the times that `at` is taken from, best first."""

    table: Table
    seen: Any
    topic: str
    times: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The primary key's column."""
        return next(iter(self.table.primary_key.columns)).name


# Runs before jobs, which refer to them.
_KINDS = (
    _Kind(COMMIT, CommitSeen, "commit", ("committed_at", "pushed_at", "authored_at", "merged_at")),
    _Kind(RUN, RunSeen, "run", ("started_at", "created_at", "finished_at")),
    _Kind(JOB, JobSeen, "run"),
    _Kind(ARTIFACT, ArtifactSeen, "artifact", ("built_at",)),
    _Kind(REPORTED, DeploymentSeen, "deployment", ("created_at", "finished_at")),
)


async def record_ci(connection: AsyncConnection, facts: Sequence[CiFact], rules: CiRules) -> set[Topic]:
    """Join `facts` into their rows; returns the topics of what changed: ("run", id) for a run and its jobs,
    ("commit", sha) for whatever tells of a commit, ("artifact", digest), ("deployment", id)."""
    topics: set[Topic] = set()
    if facts and connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    for kind in _KINDS:
        looks: dict[str, CiFact] = {}
        things: dict[str, Thing] = {}
        for fact in facts:
            if isinstance(fact, kind.seen):
                looks.setdefault(fact.key, fact)
                things[fact.key] = join(things.get(fact.key, {}), thing(fact), kind.seen.EARLIEST)
        if things:
            topics |= await _record(connection, kind, looks, things, rules)
    return topics


async def _record(
    connection: AsyncConnection,
    kind: _Kind,
    looks: Mapping[str, CiFact],
    things: Mapping[str, Thing],
    rules: CiRules,
) -> set[Topic]:
    known = {
        row._mapping[kind.key]: row for row in await _rows(connection, kind.table, kind.key, sorted(things))
    }
    changed: list[Values] = []
    for key, fresh in things.items():
        row = known.get(key)
        before = _thing(row, kind.seen) if row else {}
        after = join(before, fresh, kind.seen.EARLIEST)
        if row is None or after != before:
            natural = {name: getattr(looks[key], name) for name in kind.seen.NATURAL}
            changed.append({kind.key: key, **natural, **_values(kind, after, rules)})
    if not changed:
        return set()
    await _upsert(connection, kind.table, changed)
    if kind.table is RUN:
        await _assign(connection, changed)
    topics = {
        Topic(kind.topic, values["run"] if kind.table is JOB else values[kind.key])
        for values in changed
        if kind.topic != "commit"
    }
    return topics | {Topic("commit", values["sha"]) for values in changed if values.get("sha")}


async def _rows(connection: AsyncConnection, table: Table, key: str, keys: list[str]) -> list[AnyRow]:
    found: list[AnyRow] = []
    for start in range(0, len(keys), _AT_ONCE):
        query = select(table).where(table.c[key].in_(keys[start : start + _AT_ONCE]))
        found += (await connection.execute(query)).all()
    return found


async def _upsert(connection: AsyncConnection, table: Table, rows: list[Values]) -> None:
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    insert = make(table)
    keys = list(table.primary_key.columns)
    others = {c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key}
    await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=others), rows)


async def _assign(connection: AsyncConnection, runs: list[Values]) -> None:
    """Make `run_service` say what `services` of the rows say."""
    ids = [values["id"] for values in runs]
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        await connection.execute(delete(RUN_SERVICE).where(RUN_SERVICE.c.run.in_(some)))
    links = [
        {"service": service, "run": values["id"], "at": values["at"]}
        for values in runs
        for service in msgspec.json.decode(values["services"], type=list[str])
    ]
    if links:
        await connection.execute(RUN_SERVICE.insert(), links)


def _values(kind: _Kind, after: Thing, rules: CiRules) -> Values:
    """The columns of a thing: what looks told, and what follows from it."""
    told = {name: after[name].value if name in after else None for name in told_by(kind.seen)}
    values: Values = {name: value for name, value in told.items() if name != "status"}
    if "status" in told:
        status = told["status"]
        values |= {"phase": status.phase, "outcome": status.outcome, "raw": status.raw} if status else _UNTOLD
    if kind.times:
        at = next((values[name] for name in kind.times if values[name]), None)
        newest = max((one.mark.at for one in after.values()), default=0)
        values["at"] = at or _EPOCH + timedelta(microseconds=newest)
    if kind.table is RUN:
        of = services_of(values["repo"], values["pipeline"] or "", rules.services)
        values["services"] = _encoder.encode(sorted(set(of))).decode()
    elif kind.table is JOB:
        values["stage"] = stage_of(values["name"] or "", values["group"] or "", rules.stages)
    values["marks"] = _encode(after)
    return values


def _encode(after: Thing) -> str:
    """Marks by field; the one that most fields share stands once, under ""."""
    counts: dict[Mark, int] = {}
    for told in after.values():
        counts[told.mark] = counts.get(told.mark, 0) + 1
    common = max(counts, key=lambda mark: (counts[mark], mark), default=Mark())
    others = {name: told.mark for name, told in sorted(after.items()) if told.mark != common}
    found = {"": common, **others}
    return _encoder.encode({name: (mark.rank, mark.at) for name, mark in found.items()}).decode()


def _thing(row: AnyRow, seen: Any) -> Thing:
    """The thing a row keeps; total, since another version may have written it."""
    columns = row._mapping
    try:
        marks = {name: Mark(*pair) for name, pair in _marks.decode(columns["marks"]).items()}
    except msgspec.DecodeError:
        marks = {}
    common = marks.get("", Mark())
    found: dict[str, Marked] = {}
    for name in told_by(seen):
        value = _status(row) if name == "status" else columns[name]
        if value is not None:
            found[name] = Marked(marks.get(name, common), value)
    return found


def _status(row: AnyRow) -> Status | None:
    if not row.raw:  # nobody told
        return None
    try:
        return Status(CiPhase(row.phase), CiOutcome(row.outcome) if row.outcome else None, row.raw)
    except ValueError:
        return None


async def newer_runs(database: Database, runs: Sequence[RunSeen]) -> int:
    """How many of `runs` are not known, or not known to have come as far. Raises StoreUnavailable."""
    async with database.reading() as connection:
        rows = await _rows(connection, RUN, "id", sorted({run.key for run in runs}))
    known = {row.id: RANKS[CiPhase(row.phase)] if row.phase in RANKS else 0 for row in rows}
    return sum(run.status is not None and known.get(run.key, -1) < run.status.rank for run in runs)


def ci_facts(facts: Iterable[object]) -> list[CiFact]:
    """Those of `facts` that tell of CI."""
    return [fact for fact in facts if isinstance(fact, CiFact)]
