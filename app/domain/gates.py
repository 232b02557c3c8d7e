"""A gate: one question that only a person or a rule may answer before something goes on; its life and its votes.

Whatever asks (a promotion, a paused rollout, a webhook of Flagger, a pipeline) becomes the same entity. Pure: the
tables hold what these values say, and every move of a gate is one of `MOVES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from .commands import Expected, Verb
from .evidence import NOTHING, Evidence, digest, plain
from .forges import CallState, ForgeCall
from .names import WorkloadRef
from .people import Principal

MAX_REASON = 500


class Origin(StrEnum):
    """Who asks."""

    PROMOTION = "promotion"  # a version that is good in the environment before
    ROLLOUT = "rollout"  # a rollout that stands and waits for a person
    FLAGGER = "flagger"  # a webhook that polls
    PIPELINE = "pipeline"  # whoever called the API, and waits for the answer
    FORGE = "forge"  # a webhook of GitHub or GitLab; the answer is brought to their API


class GatePhase(StrEnum):
    """The life of a gate. All but the first three are final."""

    OPEN = "open"
    APPROVED = "approved"  # decided, not yet carried out or told; may still be withdrawn
    EXECUTING = "executing"
    EXECUTED = "executed"  # carried out, or the asker has its answer
    FAILED = "failed"  # approved, and it could not be done
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"  # what was asked about is no longer so


MOVES: Mapping[GatePhase, frozenset[GatePhase]] = {
    GatePhase.OPEN: frozenset({GatePhase.APPROVED, GatePhase.REJECTED, GatePhase.EXPIRED, GatePhase.VOID}),
    GatePhase.APPROVED: frozenset(
        {
            GatePhase.EXECUTING,
            GatePhase.EXECUTED,
            GatePhase.OPEN,
            GatePhase.EXPIRED,
            GatePhase.VOID,
            GatePhase.FAILED,
        }
    ),
    GatePhase.EXECUTING: frozenset({GatePhase.EXECUTED, GatePhase.FAILED}),
}
"""Which phase may follow which; what is not a key is final."""


class Answer(StrEnum):
    """What somebody does at a gate."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"  # one's own vote, until it is carried out
    BREAK_GLASS = "break-glass"  # through, although rules say no; alarmed everywhere


class Basis(StrEnum):
    """What a decision rests on."""

    VOTES = "votes"
    RULE = "rule"
    OVERRIDE = "override"  # votes, although a freeze holds
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True)
class Version:
    """A version as people call it, and its images as the spec names them."""

    name: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked: `service` into `environment`, from `before` to `after`, on `target` (None: nothing of a cluster).

    `workload` is the target's key, `source` that of the workload it was good on; `expected` is what must still be so
    when it is carried out. Approval asks for `verb` (None: nothing but the answer), rejection for `otherwise`.
    `question` is the sentence, `then` and `else_` what follows a yes and a no. `commit`, `url` and `asker` are those of
    whoever asked through the API; `token` is its checksum where the asker has one of its own. `starter` is the login of
    whoever set off the pipeline that asks; `call` is what the forge is told or asked to start.
    """

    service: str
    environment: str
    question: str
    before: Version = Version()
    after: Version = Version()
    came_from: str = ""
    target: WorkloadRef | None = None
    workload: str = ""
    source: str = ""
    expected: Expected = field(default_factory=Expected)
    verb: Verb | None = None
    otherwise: Verb | None = None
    then: str = ""
    else_: str = ""
    stands: str = ""
    team: str = ""
    commit: str = ""
    url: str = ""
    asker: str = ""
    token: str = ""
    starter: str = ""
    call: ForgeCall | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's yes at a gate, on the evidence of `digest`; `principal` is who they were then."""

    principal: Principal
    digest: str
    at: datetime
    reason: str = ""
    override: bool = False

    @property
    def person(self) -> str:
        """Whose it is."""
        return self.principal.identity


@dataclass(frozen=True, slots=True)
class Decision:
    """The one answer of a gate: `phase` is where it led, `basis` what it rests on, on exactly which evidence."""

    phase: GatePhase
    basis: Basis
    at: datetime
    identity: str
    by: str
    reason: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate as it stands. `key` is unique to what is asked, so that it is asked once; `digest` is that of the evidence
    of now; `command` what was asked of the workload; `policy` the version of the rules, `told` what became of the
    subject's `call`."""

    id: str
    key: str
    origin: Origin
    subject: Subject
    opened_at: datetime
    expires_at: datetime
    phase: GatePhase = GatePhase.OPEN
    evidence: Evidence = NOTHING
    digest: str = ""
    policy: str = ""
    votes: tuple[Vote, ...] = ()
    decision: Decision | None = None
    message: str = ""
    command: str = ""
    ended_at: datetime | None = None
    told: CallState | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more will become of it."""
        return self.phase not in MOVES

    @property
    def counting(self) -> tuple[Vote, ...]:
        """The votes that were cast on the evidence of now, one a person; others were cast on something else."""
        return tuple({v.person: v for v in self.votes if v.digest == self.digest}.values())

    def showing(self, evidence: Evidence, policy: str) -> Gate:
        """The gate with other evidence; its votes stay, and count only if it is the one they were cast on."""
        return replace(self, evidence=evidence, policy=policy, digest=seal(self.subject, evidence, policy))


def sheet(subject: Subject, evidence: Evidence, policy: str) -> dict[str, object]:
    """All that a digest stands for, by name: to be kept, and held against another."""
    about = {
        "target": subject.workload,
        "revision": subject.expected.revision,
        "stable": subject.expected.stable,
        "step": subject.expected.step,
        "pause": subject.expected.paused_at.isoformat() if subject.expected.paused_at else None,
        "from": ", ".join(subject.before.images) or subject.before.name,
        "to": ", ".join(subject.after.images) or subject.after.name,
        "action": subject.verb.value if subject.verb else subject.call.what if subject.call else "answer",
        "token": subject.token,
    }
    return {**about, **plain(evidence), "policy": policy}


def seal(subject: Subject, evidence: Evidence, policy: str) -> str:
    """The digest that a vote is bound to. Commits that are not in, and words about the soak, may change freely."""
    kept = {k: v for k, v in sheet(subject, evidence, policy).items() if k not in ("left_out", "soak")}
    return digest(kept)


def withdrawn(votes: Iterable[Vote], person: str) -> tuple[Vote, ...]:
    """`votes` without that of `person`."""
    return tuple(v for v in votes if v.person != person)


def may_move(before: GatePhase, after: GatePhase) -> bool:
    """Whether a gate may go from one phase to another."""
    return after in MOVES.get(before, frozenset())
