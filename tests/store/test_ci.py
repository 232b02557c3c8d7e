"""Looks at CI end in the same rows in any order, on both databases, and topics name what changed."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, text

from app.domain.ci import (
    ArtifactSeen,
    CiFact,
    CiOutcome,
    CiPhase,
    CommitSeen,
    DeploymentSeen,
    JobSeen,
    RunSeen,
    Status,
)
from app.domain.converge import mark
from app.domain.jobs import JobRule, JobStage
from app.domain.repositories import Ships
from app.store.ci import CiRules
from app.store.ci_tables import ARTIFACT, COMMIT, JOB, REPORTED, RUN, RUN_SERVICE
from app.store.db import Database
from app.store.ledger import Ledger
from tests.databases import fresh
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
BEGIN = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
SHA, DIGEST, REPO = "a" * 40, "sha256:" + "b" * 64, "github.com/acme/cart"
PLACE: dict[str, Any] = {"provider": "github", "host": "github.com"}
OK = Status(CiPhase.DONE, CiOutcome.SUCCESS)


def at(minute: float) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def run(minute: float, status: Status, **more) -> RunSeen:
    told = {"pipeline": "CI", "sha": SHA, "created_at": at(0), "repo": REPO, **more}
    return RunSeen(
        **PLACE, project="1", run="7", attempt=1, mark=mark(status.rank, at(minute)), status=status, **told
    )


HISTORY: list[CiFact] = [
    CommitSeen(repo=REPO, sha=SHA, mark=mark(0, at(0)), title="Round half up", pushed_at=at(0)),
    CommitSeen(repo=REPO, sha=SHA, mark=mark(0, at(9)), pushed_at=at(9), change="12", merged_at=at(9)),
    run(0, Status(CiPhase.QUEUED)),
    run(1, Status(CiPhase.RUNNING), started_at=at(1)),
    run(6, OK, started_at=at(1), finished_at=at(6), url="https://ci.example.org/7"),
    JobSeen(**PLACE, job="70", run=run(0, OK).key, repo=REPO, mark=mark(1, at(2)), name="unit tests"),
    JobSeen(
        **PLACE,
        job="70",
        run=run(0, OK).key,
        repo=REPO,
        mark=mark(2, at(3)),
        name="unit tests",
        status=Status(CiPhase.DONE, CiOutcome.FAILURE, "failure"),
    ),
    ArtifactSeen(digest=DIGEST, mark=mark(0, at(4)), name="ghcr.io/acme/cart", sha=SHA, repo=REPO),
    DeploymentSeen(
        **PLACE, project="1", deployment="9", repo=REPO, mark=mark(0, at(7)), environment="staging", sha=SHA
    ),
    DeploymentSeen(
        **PLACE, project="1", deployment="9", repo=REPO, mark=mark(2, at(8)), status=OK, finished_at=at(8)
    ),
]
TABLES = (COMMIT, RUN, RUN_SERVICE, JOB, ARTIFACT, REPORTED)


async def record(database: Database, facts: list[CiFact], rules: CiRules | None = None) -> frozenset:
    async with database.writing() as session:
        return await Ledger(rules=rules or CiRules()).record(session, facts)


async def everything(database: Database) -> list:
    async with database.reading() as connection:
        return [list(await connection.execute(select(t).order_by(*t.primary_key))) for t in TABLES]


async def test_looks_end_in_the_same_rows_in_any_order_and_any_batches(database_url):
    shuffles = random.Random(5)
    first_run = run(0, Status(CiPhase.QUEUED))
    outcomes = []
    async with opened(database_url) as database:
        for _ in range(6):
            async with database.writing() as session:
                for table in reversed(TABLES):
                    await (await session.connection()).execute(table.delete())
            looks = HISTORY * 2
            shuffles.shuffle(looks)
            size = shuffles.choice([1, 3, 40])
            for start in range(0, len(looks), size):
                # A job never comes without a look at its run; the adapters see to it.
                await record(database, [first_run, *looks[start : start + size]])
            outcomes.append(await everything(database))
    assert all(found == outcomes[0] for found in outcomes)
    (commit,), (row,), (link,), (job,), (artifact,), (deployment,) = outcomes[0]
    assert (commit.title, commit.pushed_at, commit.change, commit.merged_at) == (
        "Round half up",
        at(0),
        "12",
        at(9),
    )
    assert (row.phase, row.outcome, row.at, row.finished_at) == ("done", "success", at(1), at(6))
    assert (link.service, link.run, link.at) == ("cart", row.id, at(1))
    assert (job.stage, job.phase, job.outcome, job.run) == ("unit", "done", "failure", row.id)
    assert (artifact.sha, deployment.environment, deployment.phase) == (SHA, "staging", "done")


async def test_topics_name_what_changed_and_nothing_else(database_url):
    async with opened(database_url) as database:
        told = await record(database, HISTORY[2:7])
        assert told == {("run", run(0, OK).key), ("commit", SHA)}
        assert await record(database, HISTORY[2:7]) == frozenset()
        assert await record(database, HISTORY[7:8]) == {("artifact", DIGEST), ("commit", SHA)}


async def test_configuration_names_services_and_stages(database_url):
    rules = CiRules(
        (Ships("github.com/acme/*", ("shop", "cart")),), (JobRule("unit*", JobStage.INTEGRATION),)
    )
    async with opened(database_url) as database:
        await record(database, HISTORY, rules)
        _, (row,), links, (job,), _, _ = await everything(database)
    assert msgspec.json.decode(row.services) == ["cart", "shop"]
    assert [link.service for link in links] == ["cart", "shop"]
    assert job.stage == "integration"


async def test_run_that_is_renamed_ends_under_its_newest_name_in_either_order(database_url):
    looks = [run(1, OK, repo="github.com/acme/old"), run(2, OK, repo="github.com/acme/new")]
    for order in itertools.permutations(looks):
        async with opened(database_url) as database:
            async with database.writing() as session:
                await (await session.connection()).execute(RUN.delete())
            for look in order:
                await record(database, [look])
            _, (row,), (link,), *_ = await everything(database)
            assert (row.repo, link.service) == ("github.com/acme/new", "new")


async def test_marks_of_another_version_are_read_as_none(database_url):
    async with opened(database_url) as database:
        await record(database, [run(6, OK)])
        async with database.writing() as session:
            await (await session.connection()).execute(RUN.update().values(marks="?", phase="odd"))
        await record(database, [run(7, OK)])
        _, (row,), *_ = await everything(database)
    assert (row.phase, row.outcome) == ("done", "success")


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (select(RUN).where(RUN.c.repo == "h/r").order_by(RUN.c.at.desc()).limit(20), "repo_at"),
        (select(RUN).where(RUN.c.sha == SHA), "pipeline_run_sha"),
        (select(RUN).order_by(RUN.c.at.desc()).limit(20), "pipeline_run_at"),
        (select(RUN).where(RUN.c.phase == "running").order_by(RUN.c.at.desc()), "phase_at"),
        (
            select(RUN)
            .join(RUN_SERVICE, RUN_SERVICE.c.run == RUN.c.id)
            .where(RUN_SERVICE.c.service == "cart")
            .order_by(RUN_SERVICE.c.at.desc())
            .limit(20),
            "service_at",
        ),
        (select(JOB).where(JOB.c.run == "r"), "pipeline_job_run"),
        (select(COMMIT).where(COMMIT.c.repo == "h/r").order_by(COMMIT.c.at.desc()).limit(20), "repo_at"),
    ],
)
async def test_lists_are_read_off_an_index_without_sorting(tmp_path, query, index):
    """However many rows there are; SQLite says how it would go about it."""
    async with opened(fresh(tmp_path)) as database, database.reading() as connection:
        text_ = str(query.compile(connection.sync_engine, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {text_}"))]
    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN git") for step in plan), plan
