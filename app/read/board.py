"""The board as a frozen read model: what the template draws and what /api/v1/board answers.

Instants only, never ages, so that equal facts give equal bytes and a strong ETag holds while nothing happens.
`projection.BoardProjection` builds it and keeps it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..domain.artifacts import Flag
from ..domain.freshness import Freshness
from ..domain.rollout import Attention, StepState
from .query import BoardQuery


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of the sentence with the punctuation that ends it. No attention: said of the board as a
    whole."""

    attention: Attention | None
    text: str
    end: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """The state in words, worst first."""

    clauses: tuple[Clause, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Why there are no rows, and what to do. `answered` of `asked` sources have been heard while looking
    around."""

    kind: str
    what: str
    why: str
    todo: str = ""
    command: str = ""
    answered: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """An environment of the board, in promotion order."""

    name: str
    title: str


class Gap(StrEnum):
    """What lies between a cell and the environment before it."""

    NONE = "none"
    SAME = "same"
    DIFFERS = "differs"


class Square(StrEnum):
    """How a pod is drawn."""

    NEW = "new"
    STARTING = "starting"
    FAILING = "failing"
    OLD = "old"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods as squares, in shares of the whole when there are more pods than squares; `text` and `label`
    count them."""

    squares: tuple[Square, ...]
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One drawn step of a strategy."""

    label: str
    state: StepState


@dataclass(frozen=True, slots=True)
class Member:
    """One workload of a cell. `label` tells it from its neighbours (its cluster, else its name)."""

    label: str
    ref: str
    kubectl: str
    attention: Attention
    version: str
    word: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A service in one environment, told by its worst workload. `commits` is how many lie between the cell before
    it and this one, None where they cannot be counted; `flags` are what is not as it should be about its images.

    `heard_at` is set when the cell cannot be seen: then it was as `was` says ("It was good."). `until` is
    when a pause ends by itself. `progress` (0 to 100) is None where steps say more, or nothing moves.
    """

    environment: str
    title: str
    attention: Attention
    version: str
    word: str
    since: datetime
    quiet: bool
    landed: bool
    gap: Gap
    message: str
    members: tuple[Member, ...]
    mixed: bool
    landed_at: datetime | None = None
    heard_at: datetime | None = None
    was: str = ""
    until: datetime | None = None
    steps: tuple[Segment, ...] = ()
    progress: int | None = None
    pods: Pods | None = None
    commits: int | None = None
    commit: str = ""
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Build:
    """The last build of a service on its main branch. `seconds` None: it runs, since `begun_at`. `over`: it took
    longer than the budget, as those before it since then did."""

    run: str
    sha: str
    attention: Attention
    word: str
    begun_at: datetime
    seconds: int | None
    over: bool


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A service. `rank` orders rows as text, worst first; `cells` has one entry a column, None where it is
    not run."""

    service: str
    slug: str
    team: str
    attention: Attention
    rank: str
    cells: tuple[Cell | None, ...]
    build: Build | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        """The workloads of all its cells."""
        return tuple(member for cell in self.cells if cell for member in cell.members)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something only a person can let go on: what is asked ("Go on from 25 % to 50 %?"), where that is on the
    way ("Canary step 2 of 4"), of which team, since when. `ref` names the workload, `verb` the command that answers it
    (empty: none does), `href` the gate that does (empty: there is none);
    `decision`: it is about no rollout that stands."""

    service: str
    slug: str
    environment: str
    cluster: str
    version: str
    ask: str
    stands: str
    ref: str
    team: str
    since: datetime
    verb: str = ""
    href: str = ""
    decision: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Automation of a service that was stopped on purpose, until `until`; `by` names it, `ref` the workload."""

    service: str
    environment: str
    ref: str
    by: str
    until: datetime


@dataclass(frozen=True, slots=True)
class FrozenLine:
    """A freeze that holds: where ("payments-* in production"), why, by whom (empty: the configuration), until when."""

    where: str
    reason: str
    by: str
    until: datetime | None


class TickKind(StrEnum):
    """How a rollout on the day strip ended, or that it has not."""

    LANDED = "landed"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    MOVING = "moving"


@dataclass(frozen=True, slots=True)
class Tick:
    """Rollouts of one minute that ended alike. `final`: in the last environment, which is production; `what` names the
    first few of them."""

    at: datetime
    kind: TickKind
    final: bool
    count: int
    what: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """Rollouts of the last 24 hours, oldest first. `text` counts them in words."""

    ticks: tuple[Tick, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Listening:
    """A cluster by its worst source. `contact_at` is told only once it is no longer LIVE, since it then
    stands still."""

    cluster: str
    freshness: Freshness
    contact_at: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class Board:
    """All of the page. `total` counts the services there are, `as_of` is the newest instant told in it."""

    sentence: Sentence
    environments: tuple[Column, ...]
    rows: tuple[BoardRow, ...]
    waiting: tuple[Waiting, ...]
    day: Day
    sources: tuple[Listening, ...]
    empty: Empty | None
    query: BoardQuery
    all_environments: tuple[Column, ...]
    total: int
    last_landed_at: datetime | None
    as_of: datetime | None
    held: tuple[Held, ...] = ()
    frozen: tuple[FrozenLine, ...] = ()


@dataclass(frozen=True, slots=True)
class BoardChange:
    """What an update touched: names of services whose row changed, left or came, and the regions to draw
    again.

    `environments`: the columns changed, so everything did.
    """

    rows: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    sentence: bool = False
    day: bool = False
    waiting: bool = False
    sources: bool = False
    environments: bool = False

    def __bool__(self) -> bool:
        """Whether anything is to be drawn again."""
        return self != BoardChange()
