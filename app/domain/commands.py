"""What a person may ask of a workload, and what becomes of it.

`VERBS` is the table of actions: a row here, and the engines that plan it, is all that a new action takes. Button,
confirmation, role, route, JSON and audit read the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from .names import WorkloadRef
from .people import Role
from .policy import Blocker
from .rollout import Phase


class Verb(StrEnum):
    """What can be asked."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    ABORT = "abort"
    RETRY = "retry"
    ROLLBACK = "rollback"
    RESTART = "restart"
    SET_IMAGE = "set-image"
    SET_WEIGHT = "set-weight"
    SWITCH = "switch"
    SYNC = "sync"  # the owner (Argo CD, Flux) goes to an older revision
    HOLD = "hold"  # the owner's automation stops, for a while
    RELEASE = "release"  # and goes on


class Reason(StrEnum):
    """When a reason must be given."""

    ALWAYS = "always"
    PRODUCTION = "production"  # in the last environment of the order
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class VerbRule:
    """One row of the table: the button's word, the least role, when a reason is due, whether the workload's name must
    be typed, whether it brings a newer version forward (a freeze holds it), what undoes it (None: nothing), which
    `Arguments` it takes, and whether pods move once the cluster took it."""

    label: str
    role: Role
    reason: Reason
    dangerous: bool = False
    forward: bool = False
    undo: Verb | None = None
    takes: tuple[str, ...] = ()
    moves: bool = False


VERBS: Mapping[Verb, VerbRule] = {
    Verb.PAUSE: VerbRule("Pause", Role.OPERATOR, Reason.PRODUCTION, undo=Verb.RESUME),
    Verb.RESUME: VerbRule(
        "Resume", Role.OPERATOR, Reason.PRODUCTION, forward=True, undo=Verb.PAUSE, moves=True
    ),
    Verb.PROMOTE: VerbRule(
        "Promote", Role.OPERATOR, Reason.PRODUCTION, forward=True, undo=Verb.ABORT, moves=True
    ),
    Verb.PROMOTE_FULL: VerbRule(
        "Promote fully",
        Role.OPERATOR,
        Reason.ALWAYS,
        dangerous=True,
        forward=True,
        undo=Verb.ROLLBACK,
        moves=True,
    ),
    Verb.ABORT: VerbRule("Abort", Role.OPERATOR, Reason.PRODUCTION, undo=Verb.RETRY),
    Verb.RETRY: VerbRule(
        "Retry", Role.OPERATOR, Reason.PRODUCTION, forward=True, undo=Verb.ABORT, moves=True
    ),
    Verb.ROLLBACK: VerbRule(
        "Roll back",
        Role.OPERATOR,
        Reason.ALWAYS,
        undo=Verb.ROLLBACK,
        takes=("revision", "delete_blocking"),
        moves=True,
    ),
    Verb.RESTART: VerbRule("Restart", Role.OPERATOR, Reason.PRODUCTION, moves=True),
    Verb.SET_IMAGE: VerbRule(
        "Set image",
        Role.OPERATOR,
        Reason.ALWAYS,
        forward=True,
        undo=Verb.ROLLBACK,
        takes=("images",),
        moves=True,
    ),
    Verb.SET_WEIGHT: VerbRule(
        "Set weight",
        Role.OPERATOR,
        Reason.PRODUCTION,
        forward=True,
        undo=Verb.SET_WEIGHT,
        takes=("weight",),
    ),
    Verb.SWITCH: VerbRule(
        "Switch", Role.OPERATOR, Reason.ALWAYS, forward=True, undo=Verb.SWITCH, takes=("revision",)
    ),
    Verb.SYNC: VerbRule(
        "Sync to a revision", Role.OPERATOR, Reason.ALWAYS, undo=Verb.SYNC, takes=("revision",), moves=True
    ),
    Verb.HOLD: VerbRule("Hold automation", Role.OPERATOR, Reason.ALWAYS, undo=Verb.RELEASE, takes=("until",)),
    Verb.RELEASE: VerbRule(
        "Release the hold", Role.OPERATOR, Reason.PRODUCTION, forward=True, undo=Verb.HOLD
    ),
}


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a verb needs beside the workload, as its row says: the key of a revision or colour, images by container, a
    weight in percent, whether broken pods that block an ordered set are deleted, and until when."""

    revision: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    weight: int | None = None
    delete_blocking: bool = False
    until: datetime | None = None


def ignored(verb: Verb, arguments: Arguments) -> str:
    """Which of the arguments given `verb` would ignore, and which it takes, in a sentence; empty when it ignores none.

    An argument counts as given when it is not as it is by default.
    """
    rule, plain = VERBS[verb], Arguments()
    names = [f.name for f in fields(Arguments) if getattr(arguments, f.name) != getattr(plain, f.name)]
    given = [name for name in names if name not in rule.takes]
    if not given:
        return ""
    takes = f"only {' and '.join(rule.takes)}" if rule.takes else "no arguments"
    return f"{rule.label} ({verb.value}) takes {takes}, not {' and '.join(given)}."


def takers(argument: str) -> str:
    """The verbs that take an argument: "rollback, sync"."""
    return ", ".join(verb.value for verb, rule in VERBS.items() if argument in rule.takes)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the person saw when asking; if any of it (empty or None: not looked at) no longer holds, nothing is done.

    `uid` is the workload's, `revision` and `stable` are keys of `Revision`, `step` the index of the current step,
    `paused_at` when the pause that is answered began.
    """

    uid: str = ""
    revision: str = ""
    stable: str = ""
    step: int | None = None
    phase: Phase | None = None
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A verb as it stands for a workload now: the button's words ("Promote to 50 %"), one sentence that says what will
    happen, and the blockers (none: it can be asked). `targets` are the revisions it could go to, best first."""

    verb: Verb
    label: str
    sentence: str
    blocked_by: tuple[Blocker, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        """Whether the state allows it; who may ask is policy's to say."""
        return not self.blocked_by


class CommandPhase(StrEnum):
    """The life of a command (reliability contract C-ACT). All but the first three are final."""

    PENDING = "pending"  # recorded, nothing touched
    RUNNING = "running"  # claimed by a process, about to write or writing
    SENT = "sent"  # accepted by the cluster, effect not yet seen
    DONE = "done"  # effect seen
    REFUSED = "refused"  # a rule, the cluster or a moved target said no; nothing was changed
    SUPERSEDED = "superseded"  # something newer took its place before the effect was seen
    FAILED = "failed"  # it was tried, and the effect did not come
    UNKNOWN = "unknown"  # it cannot be known; a person has to look


MOVES: Mapping[CommandPhase, frozenset[CommandPhase]] = {
    CommandPhase.PENDING: frozenset({CommandPhase.RUNNING, CommandPhase.REFUSED, CommandPhase.UNKNOWN}),
    CommandPhase.RUNNING: frozenset(
        {
            CommandPhase.SENT,
            CommandPhase.REFUSED,
            CommandPhase.FAILED,
            CommandPhase.UNKNOWN,
            CommandPhase.DONE,
        }
    ),
    CommandPhase.SENT: frozenset(
        {CommandPhase.DONE, CommandPhase.SUPERSEDED, CommandPhase.FAILED, CommandPhase.UNKNOWN}
    ),
}
"""Which phase may follow which; what is not a key is final."""


@dataclass(frozen=True, slots=True)
class Command:
    """One intent. `principal` is the identity that asked and `by` its name; `key` the idempotency key, unique to the
    principal; `deadline` is when it is no longer tried."""

    id: str
    verb: Verb
    workload: str  # key, "cluster:uid"
    ref: WorkloadRef
    environment: str
    arguments: Arguments
    expected: Expected
    reason: str
    principal: str
    by: str
    key: str
    asked_at: datetime
    deadline: datetime
