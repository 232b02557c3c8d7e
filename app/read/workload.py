"""One workload as a page, as a frozen read model. `workload_projection` builds it and keeps it up.

Instants only, never ages, like every read model. What cannot be seen is drawn as it was last, and nothing of
it wears a state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..domain.artifacts import Flag
from ..domain.names import Place, WorkloadRef
from ..domain.rollout import Attention, Caution, Check, Problem
from .acts import Acts, Hold
from .board import Listening, Sentence
from .commands import Line
from .conditions import ConditionLine
from .courses import Stop
from .lines import HistoryLine
from .past import Told
from .readiness import Proof
from .sides import Lane, PodLine, Side
from .telling import Clock


@dataclass(frozen=True, slots=True)
class WorkloadQuery:
    """Which workload: the parameters of the path. The page takes no others."""

    ref: WorkloadRef

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> WorkloadQuery:
        """Read the path's (name, value) pairs."""
        given = dict(reversed([*params]))
        return cls(WorkloadRef(given["cluster"], given["namespace"], given["kind"], given["name"]))

    def query_string(self) -> str:
        """Always empty."""
        return ""


@dataclass(frozen=True, slots=True)
class Beside:
    """Another workload of the same service."""

    title: str
    ref: str
    label: str
    attention: Attention
    version: str
    word: str


@dataclass(frozen=True, slots=True)
class KeptRevision:
    """A revision that the cluster still has, so that it can be gone back to."""

    version: str
    number: int | None
    created_at: datetime | None
    pods: int
    now: bool


@dataclass(frozen=True, slots=True)
class WorkloadPage:
    """All of the page. `gone`: it was deleted while this page was open, and what is shown is how it was.
    `heard_at` is set while it cannot be seen. `rows` are pods, worst first, and `more` is how many are not
    listed. `ready`: a rollback was accepted in a dry run of late (None: not looked at of late); `proof` is what the
    last drill is worth; `drill`, where one can be made, is why not now, or empty; `asked` are the latest commands,
    `flags` what is not as it should be about the images that run."""

    ref: WorkloadRef
    place: Place
    title: str
    gone: bool
    attention: Attention
    landed: bool
    quiet: bool
    version: str
    sentence: Sentence
    clock: Clock | None
    road: tuple[Stop, ...]
    problems: tuple[Problem, ...]
    cautions: tuple[Caution, ...]
    checks: tuple[Check, ...]
    conditions: tuple[ConditionLine, ...]
    sides: tuple[Side, ...]
    wanted: int
    traffic: tuple[Lane, ...]
    standing: tuple[tuple[str, str], ...]
    until: datetime | None
    deadline_at: datetime | None
    rows: tuple[PodLine, ...]
    more: int
    past: Told
    history: tuple[HistoryLine, ...]
    identity: tuple[tuple[str, str], ...]
    kept: tuple[KeptRevision, ...]
    by_hand: tuple[str, ...]
    beside: tuple[Beside, ...]
    landed_at: datetime | None
    heard_at: datetime | None
    sources: tuple[Listening, ...]
    acts: Acts
    hold: Hold | None = None
    ready: bool | None = None
    proof: Proof = Proof.NONE
    drill: str | None = None
    asked: tuple[Line, ...] = ()
    flags: tuple[Flag, ...] = ()
