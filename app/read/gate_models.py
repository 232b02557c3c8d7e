"""The read models of gates: what pages draw and the API answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..domain.evidence import Change, Changed, Holds
from ..domain.forges import CallPhase
from ..domain.gates import Basis, GatePhase, Origin
from ..domain.policy import Blocker
from ..domain.rollout import Attention
from .board import Listening
from .frost import FreezeLine


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule, for people and programs: whether it is met ("yes", "no", "unknown"), what was found, how it clears."""

    rule: str
    name: str
    holds: Holds
    said: str
    aside: str
    clears: str
    until: datetime | None

    @property
    def attention(self) -> Attention:
        """How it is drawn."""
        return {Holds.YES: Attention.GOOD, Holds.NO: Attention.WAITING, Holds.UNKNOWN: Attention.UNKNOWN}[
            self.holds
        ]


@dataclass(frozen=True, slots=True)
class ProofLine:
    """One thing that is known of a version: what, how it is, in words, and since or as of when."""

    name: str
    attention: Attention
    said: str
    at: datetime | None = None
    aside: str = ""
    ago: bool = True


@dataclass(frozen=True, slots=True)
class ImageLine:
    """An image before and after, as tags, and by digest where that is known: "changed", "new", "removed" or
    "unchanged"."""

    how: str
    repository: str
    before: str
    after: str
    before_digest: str = ""
    after_digest: str = ""


@dataclass(frozen=True, slots=True)
class VoteLine:
    """A vote: whose, when, why, and whether it counts (empty) or the reason that it does not."""

    person: str
    name: str
    at: datetime
    reason: str
    not_counted: str = ""


@dataclass(frozen=True, slots=True)
class CallLine:
    """What became of telling the forge: its name, how far it is, in words, when it was taken, and when it is tried
    again."""

    forge: str
    phase: CallPhase
    said: str
    tries: int
    told_at: datetime | None
    again_at: datetime | None

    @property
    def attention(self) -> Attention:
        """How it is drawn."""
        if self.phase is CallPhase.FAILED:
            return Attention.FAILED
        if self.phase is CallPhase.TOLD:
            return Attention.GOOD
        return Attention.WAITING if self.tries else Attention.UNKNOWN


@dataclass(frozen=True, slots=True)
class GateLine:
    """A gate in the inbox. `missing` are the names of the rules that are not met, `answer` is how it ended; `yours`:
    who looks may decide."""

    id: str
    service: str
    environment: str
    came_from: str
    team: str
    origin: Origin
    phase: GatePhase
    question: str
    version: str
    before: str
    stands: str
    opened_at: datetime
    expires_at: datetime
    missing: tuple[str, ...]
    attention: Attention
    answer: str = ""
    by: str = ""
    reason: str = ""
    decided_at: datetime | None = None
    basis: Basis | None = None
    yours: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is still to be decided."""
        return self.phase is GatePhase.OPEN


@dataclass(frozen=True, slots=True)
class GateDetail:
    """One gate with its evidence: what a decision is bound to is `digest`. `image` is the digest that pods of the
    version run (empty: none is seen)."""

    line: GateLine
    target: str
    then: str
    else_: str
    message: str
    command: str
    asker: str
    url: str
    commit: str
    rules: tuple[RuleLine, ...]
    blocked_by: tuple[Blocker, ...]
    images: tuple[ImageLine, ...]
    votes: tuple[VoteLine, ...]
    commits: tuple[Change, ...] | None
    left_out: tuple[Change, ...] | None
    people: tuple[str, ...] | None
    back: tuple[tuple[str, str], ...]
    moving: tuple[str, ...]
    freeze_at: datetime | None
    means: tuple[str, ...]
    digest: str
    policy: str
    frozen: bool
    told: CallLine | None = None
    lost: tuple[Change, ...] | None = None
    configuration: tuple[Changed, ...] | None = None
    others: tuple[str, ...] = ()
    image: str = ""


@dataclass(frozen=True, slots=True)
class Inbox:
    """The page of all gates: those that wait, those of the viewer first and then the oldest; then those decided within
    a day, newest first. `mine` is how many of them the viewer may decide; `freezes` what is frozen or will be, and
    `changeable` those of them that the viewer may end or let a service out of."""

    rows: tuple[GateLine, ...]
    waiting: int
    mine: int
    freezes: tuple[FreezeLine, ...]
    changeable: tuple[FreezeLine, ...]
    sources: tuple[Listening, ...]

    @property
    def oldest(self) -> GateLine | None:
        """The one that waits longest."""
        return min((r for r in self.rows if r.waits), key=lambda r: r.opened_at, default=None)


@dataclass(frozen=True, slots=True)
class GatePage:
    """The page of one gate."""

    gate: GateDetail
    proof: tuple[ProofLine, ...]
    sources: tuple[Listening, ...]
    rows: tuple[()] = ()
