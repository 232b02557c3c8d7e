"""The road of a commit: push, pipeline, image, then each environment in order, with every instant, how long each part
took and where it is now.

A commit has reached an environment when a version that holds it landed there: its own, or a later one of its main
branch. What was there before Shipboard looked is told without a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollout import Attention
from app.store.ci_tables import ARTIFACT, COMMIT, REPORTED, RUN, beside
from app.store.report_tables import LINK, SIGNATURE, TAG

from . import past, reports, runs
from .board import Sentence
from .columns import columns
from .fleet import Fleet
from .origins import TrailCommit, trail
from .runs import RunLine
from .squashes import squashed
from .way import LANDED, CommitShown, Image, WayStep, build_steps, handed_over, push_steps, rollout_steps
from .whereabouts import PlaceNow, brought_by, holds, place_now, said_of, steps_ahead, travelling

_WORKLOADS = 12


@dataclass(frozen=True, slots=True)
class CommitPage:
    """All of the page. `lead` is the lead time in seconds once it is live in the last environment; `spent` says where
    the time went; `travels` are commits that went with it, `squashed` those that it was made from."""

    commit: CommitShown
    services: tuple[str, ...]
    sentence: Sentence
    way: tuple[WayStep, ...]
    places: tuple[PlaceNow, ...]
    spent: tuple[tuple[str, int], ...]
    lead: int | None
    began_at: datetime | None
    images: tuple[Image, ...]
    travels: tuple[TrailCommit, ...]
    runs: tuple[RunLine, ...]
    squashed: tuple[TrailCommit, ...] = ()


async def commit_page(connection: AsyncConnection, fleet: Fleet, sha: str, now: datetime) -> CommitPage:
    """The page of the commit whose id begins with `sha` (7 digits or more). Raises LookupError when there is none, or
    more than one."""
    commit = await _commit(connection, sha)
    rows = (
        await connection.execute(
            select(RUN)
            .where(RUN.c.sha == commit.sha, beside(RUN.c.repo) == commit.repo)
            .order_by(RUN.c.at.desc())
            .limit(40)
        )
    ).all()
    lines = tuple(await runs.lines(connection, runs.latest_attempts(rows)))
    images = await _images(connection, commit)
    services = tuple(dict.fromkeys(s for run in lines for s in run.services)) or (
        commit.repo.rpartition("/")[2],
    )
    line = await trail(connection, commit.repo)
    places = {one.sha: place for place, one in enumerate(line)}
    commit, of = await _squash(connection, commit, places)
    travelled = replace(commit, sha=commit.landed or commit.sha)
    mine = [
        row
        for s in services
        for key in sorted(fleet.by_service.get(s, ()))
        if (row := fleet.workloads.get(key))
    ]
    mine = mine[:_WORKLOADS]
    reported = await connection.execute(
        select(REPORTED).where(REPORTED.c.sha == commit.sha, beside(REPORTED.c.repo) == commit.repo).limit(20)
    )
    actors = {row.environment: row.actor for row in reported if row.actor}
    steps = [*push_steps(commit), *build_steps(lines, images, await _tests(connection, commit))]
    shown: list[PlaceNow] = []
    waited = rolled = 0
    last_at: datetime | None = None
    order = columns({row.place.environment for row in mine}, fleet.environments)
    for column in order:
        here = [row for row in mine if row.place.environment == column.name]
        for row in here[:1]:
            told = await past.told(connection, row.ref)
            shas = await _versions(connection, commit.repo, {p.rollout.to_version for p in told.rollouts})
            brought = brought_by(told.rollouts, shas, places, travelled.sha)
            has = holds(fleet.origins.running(row), places, travelled)
            more, spans = rollout_steps(column.title, brought, row, actors.get(column.name, ""))
            steps += more
            waited, rolled = waited + spans[0], rolled + spans[1]
            landed = next((p.rollout.ended_at for p in brought if p.rollout.outcome in LANDED), None)
            if has and not more:
                steps.append(
                    WayStep(
                        f"Live in {column.name}",
                        row.landed_at,
                        Attention.GOOD,
                        _SINCE_BEFORE,
                        ref=str(row.ref),
                    )
                )
            shown.append(place_now(column, row, has, landed))
            last_at = landed if column is order[-1] else last_at
    began = commit.pushed_at or commit.committed_at
    lead = max(0, round((last_at - began).total_seconds())) if last_at and began else None
    steps = handed_over([*steps, *steps_ahead(shown, lines)])
    took = next((run.seconds for run in lines if run.seconds), None)
    spent = [("Waiting for a person or a timer", waited), ("Rolling out", rolled), ("Pipeline", took or 0)]
    spent.append(("Handed over, nobody at it", sum(s.seconds or 0 for s in steps if s.what == "until start")))
    at = places.get(travelled.sha)
    return CommitPage(
        commit=commit,
        services=services,
        sentence=said_of(commit, lines, shown, steps),
        way=tuple(steps),
        places=tuple(shown),
        spent=tuple(sorted(((what, n) for what, n in spent if n), key=lambda pair: -pair[1])),
        lead=lead,
        began_at=began,
        images=images,
        travels=travelling(line, at, mine, fleet, places) if at is not None else (),
        runs=lines,
        squashed=of,
    )


async def _squash(
    connection: AsyncConnection, commit: CommitShown, places: Mapping[str, int]
) -> tuple[CommitShown, tuple[TrailCommit, ...]]:
    """The commit with what it landed as, where that was another, and what it was itself squashed from."""
    since = commit.committed_at or commit.pushed_at or commit.merged_at
    if since is None:
        return commit, ()
    went = await squashed(connection, [commit.repo], since, since, through=True)
    mine = went.get((commit.repo, commit.sha), ())
    of = tuple(TrailCommit(r.sha, r.at, r.title or "", r.author or "", r.pushed_at) for r in mine[:_SQUASHED])
    landed = next((sha for (_, sha), rows in went.items() if any(r.sha == commit.sha for r in rows)), "")
    return replace(commit, landed=landed if commit.sha not in places else ""), of


_SQUASHED = 50
_SINCE_BEFORE = "It was there before Shipboard looked."


async def _commit(connection: AsyncConnection, sha: str) -> CommitShown:
    query = select(COMMIT).where(COMMIT.c.sha >= sha, COMMIT.c.sha <= sha + "g").limit(2)
    rows = (await connection.execute(query)).all()
    if len(rows) > 1 and rows[0].sha != rows[1].sha:
        raise LookupError(f"More than one commit begins with {sha}; give more digits.")
    if rows:
        row = rows[0]
        return CommitShown(
            row.repo,
            row.sha,
            row.title or "",
            row.author or "",
            row.branch or "",
            row.change or "",
            row.url or "",
            row.committed_at,
            row.pushed_at,
            row.opened_at,
            row.merged_at,
        )
    run = (await connection.execute(select(RUN).where(RUN.c.sha == sha).order_by(RUN.c.at).limit(1))).first()
    if run is None:
        raise LookupError(f"No commit {sha} is known: no push and no run told of it.")
    return CommitShown(
        run.repo, run.sha, run.title or "", run.actor or "", run.branch or "", "", "", None, None, None, None
    )


async def _images(connection: AsyncConnection, commit: CommitShown) -> tuple[Image, ...]:
    rows = await connection.execute(select(ARTIFACT).where(ARTIFACT.c.sha == commit.sha).limit(20))
    found = {
        row.digest: (row.name or "", row.tag or "")
        for row in rows
        if (row.repo or commit.repo) == commit.repo
    }
    links = await connection.scalars(select(LINK.c.digest).where(LINK.c.sha == commit.sha).limit(20))
    found = {**dict.fromkeys(links, ("", "")), **found}
    tags = await connection.execute(select(TAG).where(TAG.c.digest.in_(found)).order_by(TAG.c.at).limit(50))
    for row in tags:
        if not found[row.digest][1]:
            found[row.digest] = (row.name, row.tag)
    proofs = await connection.execute(
        select(SIGNATURE.c.subject, SIGNATURE.c.proof).where(SIGNATURE.c.subject.in_(found)).limit(50)
    )
    proven = {row.subject: row.proof for row in sorted(proofs, key=lambda r: r.proof == "verified")}
    return tuple(Image(name, tag, digest, proven.get(digest, "")) for digest, (name, tag) in found.items())


async def _tests(connection: AsyncConnection, commit: CommitShown) -> str:
    told = [
        r.tests
        for r in await reports.lines(connection, sha=commit.sha, repo=commit.repo, limit=50)
        if r.tests
    ]
    if not told:
        return ""
    passed, bad = sum(t.passed for t in told), sum(t.failed + t.errors for t in told)
    return f"{passed + bad:,} tests, {bad:,} failed."


async def versions_of(connection: AsyncConnection, repo: str, versions: Iterable[str]) -> Mapping[str, str]:
    """Commits by the tag of the image that was made from them."""
    found: dict[str, str] = {}
    names = sorted({v for v in versions if v})
    for start in range(0, len(names), 500):
        query = (
            select(TAG.c.tag, ARTIFACT.c.sha)
            .join(ARTIFACT, ARTIFACT.c.digest == TAG.c.digest)
            .where(
                TAG.c.tag.in_(names[start : start + 500]),
                beside(ARTIFACT.c.repo) == repo,
                ARTIFACT.c.sha.is_not(None),
            )
            .order_by(TAG.c.at)
        )
        found |= {row.tag: row.sha for row in await connection.execute(query)}
    return found


_versions = versions_of
