"""The five figures of DORA, each from rows and by a rule that is printed beside it. Pure.

Definitions: dora.dev, "DORA's software delivery performance metrics", January 2026. A deployment is a rollout that
ended; one to something newer is a change deployment, one back to what ran before is a rollback and counts as
neither a change nor a lead time. Every figure has its number of rows and a 95 % interval; without rows it is unknown,
never 0.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain
from operator import sub

from .intervals import UNKNOWN, Figure, middle_of, rate, share

UNDECIDED = timedelta(hours=24)
"""How long a deployment is observed before it counts as good."""
NEAR = 200
"""How many deployments after one are looked at for what restored it."""


class Ending(StrEnum):
    """How a deployment ended."""

    LANDED = "landed"
    FAILED = "failed"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


class Judged(StrEnum):
    """What a change deployment counts as."""

    GOOD = "good"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that needed intervention; `deployment` is the id of the rollout that caused it (empty: not known),
    `resolved_at` None while it is open."""

    id: str
    service: str
    environment: str
    title: str
    started_at: datetime
    resolved_at: datetime | None = None
    deployment: str = ""


@dataclass(frozen=True, slots=True)
class IncidentTold:
    """The fact that somebody tells of an incident: a tool (`source`) or a person by hand, signed in as `by`. `at` is
    as of when (None: its end, or beginning), of two the later one counts; `withdrawn`: it was none."""

    incident: Incident
    source: str = "hand"
    url: str = ""
    by: str = ""
    at: datetime | None = None
    withdrawn: bool = False

    @property
    def as_of(self) -> datetime:
        """As of when it is told."""
        return self.at or self.incident.resolved_at or self.incident.started_at


@dataclass(frozen=True, slots=True)
class Deployment:
    """A rollout as the rules need it. `back`: to what ran before. `committed_at` are the times of the commits that
    reached this environment with it for the first time."""

    id: str
    service: str
    environment: str
    version: str
    started_at: datetime
    ended_at: datetime
    ending: Ending
    back: bool = False
    committed_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedDeployment:
    """A deployment judged: why it counts as it does, when it failed and when service was restored (None: not yet, or
    it did not fail), whether it was rework. `young`: it is younger than a day, so that a failure may still show;
    shares leave it out, whatever became of it so far."""

    deployment: Deployment
    judged: Judged
    why: str = ""
    failed_at: datetime | None = None
    restored_at: datetime | None = None
    rework: bool = False
    young: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """The five: seconds, deployments a day, seconds, shares. `gap` is the median time between two deployments, in
    seconds; `undecided` deployments are younger than a day."""

    lead: Figure
    frequency: Figure
    recovery: Figure
    fail: Figure
    rework: Figure
    gap: Figure
    undecided: int


def judge(
    deployments: Iterable[Deployment], incidents: Iterable[Incident], now: datetime
) -> tuple[JudgedDeployment, ...]:
    """Each deployment judged, oldest first. One failed when it failed, was aborted or rolled back, when the next
    one in its place went back from it within a day, or when an incident names it. Service is restored when all
    incidents that name it are resolved, else by the next one that lands."""
    told: dict[str, list[Incident]] = {}
    for incident in incidents:
        told.setdefault(incident.deployment, []).append(incident)
    places: dict[tuple[str, str], list[Deployment]] = {}
    for one in sorted(deployments, key=lambda d: (d.ended_at, d.id)):
        places.setdefault((one.service, one.environment), []).append(one)
    found: list[JudgedDeployment] = []
    for row in places.values():
        rework = False
        for place, one in enumerate(row):
            outcome = _judge(one, row[place + 1 : place + 1 + NEAR], told.get(one.id, []), now, rework)
            rework = outcome.judged is Judged.FAILED
            found.append(outcome)
    return tuple(sorted(found, key=lambda o: (o.deployment.ended_at, o.deployment.id)))


def _judge(
    one: Deployment, later: Sequence[Deployment], told: Sequence[Incident], now: datetime, rework: bool
) -> JudgedDeployment:
    rework = rework or one.back
    why, failed_at = "", None
    after = next((d for d in later if d.ending is not Ending.SUPERSEDED), None)
    if told:
        first = min(told, key=lambda i: (i.started_at, i.id))
        why, failed_at = "an incident names it", first.started_at
    elif one.ending in (Ending.FAILED, Ending.ABORTED, Ending.ROLLED_BACK):
        why, failed_at = _WHY[one.ending], one.ended_at
    elif after and after.back and not one.back and after.started_at - one.ended_at <= UNDECIDED:
        why, failed_at = "the next deployment went back from it", after.started_at
    young = now - one.ended_at < UNDECIDED
    if failed_at is None:
        judged = Judged.UNDECIDED if young and not one.back else Judged.GOOD
        return JudgedDeployment(one, judged, rework=rework, young=young)
    restored = _restored(one, later, told, failed_at)
    return JudgedDeployment(one, Judged.FAILED, why, failed_at, restored, rework, young)


_WHY = {
    Ending.FAILED: "it did not land",
    Ending.ABORTED: "it was aborted",
    Ending.ROLLED_BACK: "it was rolled back",
}


def _restored(
    one: Deployment, later: Sequence[Deployment], told: Sequence[Incident], failed_at: datetime
) -> datetime | None:
    if told:
        ends = [incident.resolved_at for incident in told]
        return None if None in ends else max(end for end in ends if end)
    if one.ending is Ending.ROLLED_BACK:
        return one.ended_at
    return next((d.ended_at for d in later if d.ending is Ending.LANDED and d.ended_at >= failed_at), None)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What the figures of some deployments are counted from, so that those of several together need not be read again.
    `waits` (of commits), `repairs` and `ends` (of what landed, since 1970) are microseconds, ascending; `failed`
    counts among `decided`, `rework` among `counted`, `open` failures from which service was not restored."""

    changes: int
    decided: int
    failed: int
    counted: int
    rework: int
    open: int
    waits: Sequence[int]
    repairs: Sequence[int]
    ends: Sequence[int]


def tally(outcomes: Sequence[JudgedDeployment]) -> Tally:
    """The tally of some deployments."""
    changes = [o for o in outcomes if not o.deployment.back and o.deployment.ending is not Ending.SUPERSEDED]
    landed = [o.deployment for o in changes if o.deployment.ending is Ending.LANDED]
    decided = [o for o in changes if not o.young]
    failed = [o for o in changes if o.judged is Judged.FAILED]
    counted = [o for o in outcomes if o.deployment.ending is not Ending.SUPERSEDED]
    repairs = [
        max(0, (o.restored_at - o.failed_at) // _MICRO) for o in failed if o.failed_at and o.restored_at
    ]
    waits = [(d.ended_at - at) // _MICRO for d in landed for at in d.committed_at]
    return Tally(
        changes=len(changes),
        decided=len(decided),
        failed=sum(o.judged is Judged.FAILED for o in decided),
        counted=len(counted),
        rework=sum(o.rework for o in counted),
        open=len(failed) - len(repairs),
        waits=_ascending(max(0, wait) for wait in waits),
        repairs=_ascending(repairs),
        ends=_ascending(map(since_epoch, (d.ended_at for d in landed))),
    )


_EPOCH, _MICRO = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def since_epoch(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICRO


def _ascending(values: Iterable[int]) -> array[int]:
    return array("q", sorted(values))


def figures(outcomes: Sequence[JudgedDeployment], since: datetime, until: datetime) -> Figures:
    """The five figures of deployments that ended in [since, until)."""
    inside = [o for o in outcomes if since <= o.deployment.ended_at < until]
    return total([tally(inside)] if inside else [], until - since)


def total(tallies: Sequence[Tally], span: timedelta) -> Figures:
    """The figures of all that is tallied, of which there is none without a deployment, in a time so long."""
    changes, decided = sum(t.changes for t in tallies), sum(t.decided for t in tallies)
    ends = sorted(chain.from_iterable(t.ends for t in tallies))
    return Figures(
        lead=lead(tallies),
        frequency=rate(len(ends), span / timedelta(days=1)) if tallies else UNKNOWN,
        recovery=middle_of([t.repairs for t in tallies], sum(t.open for t in tallies)),
        fail=share(sum(t.failed for t in tallies), decided),
        rework=share(sum(t.rework for t in tallies), sum(t.counted for t in tallies)),
        gap=middle_of([sorted(map(sub, ends[1:], ends))]),
        undecided=changes - decided,
    )


def lead(tallies: Sequence[Tally]) -> Figure:
    """The lead time alone."""
    return middle_of([t.waits for t in tallies])


def weeks(until: datetime, count: int) -> tuple[tuple[datetime, datetime], ...]:
    """The last `count` spans of seven days before `until`, oldest first."""
    week = timedelta(days=7)
    return tuple((until - week * (count - i), until - week * (count - i - 1)) for i in range(count))
