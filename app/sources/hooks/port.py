"""What a provider of CI or of alerts is to Shipboard: how its webhooks are signed, and what one says. All pure.

A new provider is one module with a `PROVIDER`, and a line in `PROVIDERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.ci import CiFact, CiOutcome, CiPhase, JobSeen, RunSeen, Status, ident
from app.domain.converge import mark
from app.domain.dora import IncidentTold
from app.domain.forges import Asked
from app.domain.names import cut

from .verify import Scheme

Words = Mapping[str, tuple[CiPhase, CiOutcome | None]]
"""A provider's words for phase and outcome, lower-case."""


class Refused(Exception):
    """The payload is not one that this provider sends; the message says what is wrong with it."""


def words(**groups: str) -> Words:
    """Words by what they mean: `words(queued="pending created", success="success")`; a name is a phase or the
    outcome of what is done."""
    found: dict[str, tuple[CiPhase, CiOutcome | None]] = {}
    for name, group in groups.items():
        meaning = (
            (CiPhase(name), None) if name in set(CiPhase) - {"done"} else (CiPhase.DONE, CiOutcome(name))
        )
        found |= dict.fromkeys(group.split(), meaning)
    return found


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook: the event's name as a header gave it (nobody vouches for it), the decoded body, the headers
    that were kept (lower-case). `repo` is the repository for payloads that name none, empty without one.
    `unknown` collects words that have no meaning here; they are counted, never an error."""

    event: str
    body: Any
    headers: Mapping[str, str]
    received_at: datetime
    repo: str = ""
    unknown: set[str] = field(default_factory=set)

    def status(self, meanings: Words, *raw: str | None) -> Status | None:
        """What the first of `raw` that is there means; None for a word that is not known."""
        told = next((one for one in raw if one), None)
        if told is None:
            return None
        meaning = meanings.get(told.lower())
        if meaning is None:
            self.unknown.add(cut(told, 60))
            return None
        return Status(*meaning, cut(told, 60))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a webhook says: facts, or why there are none that we keep; and what it asks of us."""

    facts: tuple[CiFact | IncidentTold, ...] = ()
    ignored: str = ""
    asked: tuple[Asked, ...] = ()

    @property
    def of_ci(self) -> tuple[CiFact, ...]:
        """Those that are not of incidents."""
        return tuple(fact for fact in self.facts if not isinstance(fact, IncidentTold))


@dataclass(frozen=True, slots=True)
class Provider:
    """`event` and `delivery` name the headers that hold the event's name and the delivery's id, the first that
    is there counting; `key` makes the id of headers and body where no header has it ("" for none). `kept` names
    further headers that `read` needs. `in_path`: its senders can set no header, so the secret may end the address."""

    name: str
    schemes: tuple[Scheme, ...]
    read: Callable[[Delivery], Reading]
    event: tuple[str, ...] = ()
    delivery: tuple[str, ...] = ()
    key: Callable[[Mapping[str, str], Any], str] = lambda headers, body: ""
    kept: tuple[str, ...] = ()
    in_path: bool = False


def ignored(delivery: Delivery, kind: str = "") -> Reading:
    """Nothing of this event is kept."""
    return Reading(
        ignored=f"Events of type {cut(kind or delivery.event, 60) or 'without a name'} are not kept."
    )


def run_key(provider: str, host: str, project: str, run: str, attempt: int = 1) -> str:
    """The key of a run, as RunSeen has it."""
    return ident("run", provider, host, project, run, attempt)


def run_of_job(job: JobSeen, *, project: str, run: str, attempt: int = 1, **more: Any) -> RunSeen:
    """The look at a run that one at its job implies: there is such a run, and it has begun if the job has."""
    begun = job.status is not None and job.status.phase in (CiPhase.RUNNING, CiPhase.DONE)
    status = Status(CiPhase.RUNNING if begun else CiPhase.QUEUED, None, "told by a job")
    weight = mark(0, job.created_at, job.started_at)
    told = {"repo": job.repo, "mark": weight, "status": status, "created_at": job.created_at, **more}
    return RunSeen(provider=job.provider, host=job.host, project=project, run=run, attempt=attempt, **told)


def weighed(status: Status | None, *times: datetime | None) -> Any:
    """The mark of a look with this status and these times."""
    return mark(status.rank if status else 0, *times)


def told(facts: Iterable[CiFact | None], asked: Iterable[Asked | None] = ()) -> Reading:
    """A reading of those of `facts` that are there, and of what is `asked`."""
    found = tuple(fact for fact in facts if fact is not None)
    questions = tuple(each for each in asked if each is not None)
    return Reading(
        found,
        asked=questions,
        ignored="" if found else "It names nothing that is kept: no whole commit id, no run.",
    )
