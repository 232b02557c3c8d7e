"""What CI, scanners and the Git host told of the version that a gate asks about.

The commit is told by whoever asked, else by what links the images with one (`artifacts.origins`); without a commit
nothing is known of CI, and a gate that asks for it stays closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.budget import Verdict
from app.domain.evidence import Change, Evidence, Holds, Person, Proof, Scan, Severity
from app.domain.gates import Gate, Version
from app.domain.names import ImageRef
from app.domain.repositories import full_digest, full_sha
from app.store.ci_tables import COMMIT, RUN

from . import artifacts, origins, reports, runs
from .builds import MAIN
from .reports import ReportLine
from .squashes import squashed

RUNS = 50
"""Most runs of one commit that are looked at."""
_SEVERITIES = (
    ("critical", Severity.CRITICAL),
    ("high", Severity.HIGH),
    ("medium", Severity.MEDIUM),
    ("low", Severity.LOW),
)


@dataclass(frozen=True, slots=True)
class Built:
    """A version with its digests, and the commit it is of (empty: not told)."""

    digests: tuple[str, ...] = ()
    repo: str = ""
    sha: str = ""


async def reported(connection: AsyncConnection, gate: Gate) -> Evidence:
    """The part of the evidence for `gate` that the tables of CI hold."""
    subject = gate.subject
    after, before = await built(connection, subject.after), await built(connection, subject.before)
    if subject.commit and subject.commit != after.sha:
        after = Built(after.digests, await _repo_of(connection, subject.commit), subject.commit)
    told = await _reports(connection, after)
    ci, starters = await _runs(connection, after)
    people = await _people(connection, after)
    going, left, lost = await commits(connection, before, after)
    digests = await _digests(connection, (*subject.before.images, *subject.after.images))
    return Evidence(
        ci=ci,
        tests=_tests(told),
        scan=_scan(told),
        signature=_signature(told, after.digests),
        people=(*people, *starters) if people is not None else None,
        commits=going,
        left_out=left,
        lost=lost,
        digests=digests,
    )


async def built(connection: AsyncConnection, version: Version) -> Built:
    """What a version is of. One without images may be a commit itself, as a source of GitOps has them."""
    if not version.images:
        sha = full_sha(version.name)
        return Built((), await _repo_of(connection, sha), sha) if sha else Built()
    asked = (version.name, version.images, ())
    digests = (await origins.tagged_digests(connection, [asked])).get(asked, ())
    own = [full_digest(ImageRef.parse(image).digest) for image in version.images]
    digests = tuple(dict.fromkeys([*(d for d in own if d), *digests]))
    running = artifacts.Running(version.name, version.images, digests)
    origin = (await artifacts.origins(connection, {"": running})).get("")
    return Built(digests, origin.repo, origin.sha) if origin else Built(digests)


async def _repo_of(connection: AsyncConnection, sha: str) -> str:
    for table in (COMMIT, RUN):
        if repo := await connection.scalar(select(table.c.repo).where(table.c.sha == sha).limit(1)):
            return str(repo)
    return ""


async def _runs(connection: AsyncConnection, built: Built) -> tuple[Proof, tuple[Person, ...]]:
    """How the pipelines of the commit ended, and who started them."""
    if not built.sha:
        return Proof(), ()
    query = select(RUN).where(RUN.c.sha == built.sha).order_by(RUN.c.at.desc()).limit(RUNS)
    if built.repo:
        query = query.where(RUN.c.repo == built.repo)
    rows = runs.latest_attempts((await connection.execute(query)).all())
    found = [line for line in await runs.lines(connection, rows) if line.verdict is not Verdict.NOTHING]
    starters = tuple(Person("starter", name) for name in sorted({line.actor for line in found if line.actor}))
    if not found:
        return Proof(), starters
    at = max((line.ended_at for line in found if line.ended_at), default=None)
    for verdict, holds in ((Verdict.RED, Holds.NO), (Verdict.RUNS, Holds.UNKNOWN)):
        if odd := next((line for line in found if line.verdict is verdict), None):
            return Proof(holds, f"{odd.title}: {odd.word} at {built.sha[:7]}", at), starters
    many = f"all {len(found)} runs" if len(found) > 1 else "the run"
    return Proof(Holds.YES, f"{many} of {built.sha[:7]} passed", at), starters


async def _reports(connection: AsyncConnection, built: Built) -> list[ReportLine]:
    """Reports of the commit and of its images, the newest first."""
    found = {line.id: line for line in await reports.lines(connection, sha=built.sha)} if built.sha else {}
    for digest in built.digests:
        found |= {line.id: line for line in await reports.lines(connection, digest=digest)}
    taken = [line for line in found.values() if line.state == "taken"]
    return sorted(taken, key=lambda line: (line.received_at, line.id), reverse=True)


def _tests(told: Sequence[ReportLine]) -> Proof:
    """The newest report of each job: all of them must be without failures."""
    newest: dict[str, ReportLine] = {}
    for line in told:
        if line.tests:
            newest.setdefault(line.job, line)
    counts = [line.tests for line in newest.values() if line.tests]
    if not counts:
        return Proof()
    bad = sum(each.failed + each.errors for each in counts)
    passed = sum(each.passed for each in counts)
    said = f"{bad} failed, {passed} passed" if bad else f"{passed} passed"
    return Proof(Holds.NO if bad else Holds.YES, said, max(line.received_at for line in newest.values()))


def _scan(told: Sequence[ReportLine]) -> Scan:
    """The newest scan that worked; a bill of materials is none."""
    for line in told:
        if line.scan is None or line.scan.components is not None or line.scan.failed:
            continue
        counts = [(word, getattr(line.scan, word), severity) for word, severity in _SEVERITIES]
        worst = next((severity for _, count, severity in counts if count), Severity.NONE)
        said = ", ".join(f"{count} {word}" for word, count, _ in counts if count) or "nothing found"
        return Scan(worst, f"{said}, by {line.scan.tool}", line.received_at)
    return Scan()


def _signature(told: Sequence[ReportLine], digests: Sequence[str]) -> Proof:
    """Whether a signature of one of the images holds."""
    found: list[tuple[Any, ReportLine]] = [
        (each, line) for line in told for each in line.signatures if each.subject in digests
    ]
    for each, line in found:
        if each.proof == "verified":
            return Proof(Holds.YES, f"signed by {each.identity}", each.signed_at or line.received_at)
    if found:
        each, line = found[0]
        return Proof(Holds.NO, each.reason or "its signature is not verified", line.received_at)
    return Proof()


async def _people(connection: AsyncConnection, built: Built) -> tuple[Person, ...] | None:
    """Who wrote the commit, and those that it was squashed from; None where nobody told."""
    query = select(COMMIT.c.author).where(COMMIT.c.sha == built.sha, COMMIT.c.author.is_not(None))
    author = await connection.scalar(query.limit(1)) if built.sha else None
    if not author or not built.repo:
        return (Person("author", author),) if author else None
    at = await connection.scalar(select(COMMIT.c.at).where(COMMIT.c.sha == built.sha).limit(1))
    went = (
        (await squashed(connection, [built.repo], at, through=True)).get((built.repo, built.sha), ())
        if at
        else ()
    )
    names = dict.fromkeys([author, *(row.author for row in went if row.author)])
    return tuple(Person("author", name) for name in names)


async def _digests(connection: AsyncConnection, images: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The digest of each image, by its name in the spec: its own, or the one its tag was seen with."""
    found = {}
    for image in dict.fromkeys(images):
        asked = ("", (image,), ())
        tagged = (await origins.tagged_digests(connection, [asked])).get(asked, ())
        if digest := full_digest(ImageRef.parse(image).digest) or next(iter(tagged), ""):
            found[image] = digest
    return tuple(sorted(found.items()))


_Changes = tuple[Change, ...] | None


async def commits(
    connection: AsyncConnection, before: Built, after: Built
) -> tuple[_Changes, _Changes, _Changes]:
    """Commits that go in, newer ones that do not, and those that are live and would be lost; None where that cannot be
    told. What is live and not on the main branch is lost, as far as main has not got it by another name."""
    if not after.sha or before.repo != after.repo:
        return None, None, None
    trail = await origins.trail(connection, after.repo)
    places = {commit.sha: place for place, commit in enumerate(trail)}
    new, old = places.get(after.sha), places.get(before.sha)
    changes = tuple(Change(commit.sha, commit.title, commit.author, commit.at) for commit in trail)
    left = changes[:new] if new is not None else None
    if new is None or old is None:
        aside = await _aside(connection, before) if new is not None else None
        return None, left if aside else None, aside
    if old < new:
        return (), changes[:old], changes[old:new]
    return changes[new:old], left, ()


async def _aside(connection: AsyncConnection, live: Built) -> _Changes:
    """The live commit where it is known to be on another branch than main."""
    query = select(COMMIT).where(
        COMMIT.c.repo == live.repo, COMMIT.c.sha == live.sha, COMMIT.c.branch.is_not(None)
    )
    row = (await connection.execute(query.where(COMMIT.c.branch.not_in(MAIN)).limit(1))).first()
    return (Change(row.sha, row.title or "", row.author or "", row.at),) if row else None
