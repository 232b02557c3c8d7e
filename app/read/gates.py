"""Gates as pages and the API show them: what waits, oldest first; and one gate with everything it is decided by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..domain.delivery import explained
from ..domain.evidence import Change, Holds, Severity
from ..domain.freezes import coming
from ..domain.gates import Basis, Gate, GatePhase, Origin
from ..domain.names import ImageRef
from ..domain.people import Principal
from ..domain.policy import Blocker, Permission, permits
from ..domain.rollout import Attention
from ..domain.rulings import Around, Ruling, barred, missing, rulings, valid
from .board import FrozenLine, Listening
from .fleet import Fleet
from .frost import frozen

_FINAL = {
    GatePhase.APPROVED: "approved",
    GatePhase.EXECUTING: "approved",
    GatePhase.EXECUTED: "approved",
    GatePhase.FAILED: "approved, and it failed",
    GatePhase.REJECTED: "rejected",
    GatePhase.EXPIRED: "not answered in time",
    GatePhase.VOID: "not asked any more",
}


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
    """An image before and after: "changed", "new", "removed" or "unchanged"."""

    how: str
    repository: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class VoteLine:
    """A vote: whose, when, why, and whether it counts (empty) or the reason that it does not."""

    person: str
    name: str
    at: datetime
    reason: str
    not_counted: str = ""


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
    """One gate with its evidence: what a decision is bound to is `digest`."""

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


@dataclass(frozen=True, slots=True)
class Inbox:
    """The page of all gates: those that wait, those of the viewer first and then the oldest; then those decided within
    a day, newest first. `mine` is how many of them the viewer may decide; `frozen` what is frozen now."""

    rows: tuple[GateLine, ...]
    waiting: int
    mine: int
    frozen: tuple[FrozenLine, ...]
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


def inbox(fleet: Fleet, who: Principal, now: datetime, heard: tuple[Listening, ...]) -> Inbox:
    """All gates, as somebody with the roles of `who` reads them."""
    gates = fleet.gates.values()
    waiting = [g for g in gates if g.phase is GatePhase.OPEN]
    mine = frozenset(g.id for g in waiting if permits(who, Permission.DECIDE, g.subject.environment).allowed)
    waiting.sort(key=lambda g: (g.id not in mine, g.opened_at, g.id))
    told = (g for g in gates if g.phase is not GatePhase.OPEN and (g.phase is not GatePhase.VOID or g.votes))
    over = sorted(told, key=_decided_at, reverse=True)
    rows = tuple(
        replace(line(g, judged(fleet, g, now) if g.phase is GatePhase.OPEN else ()), yours=g.id in mine)
        for g in (*waiting, *over)
    )
    return Inbox(rows, len(waiting), len(mine), frozen(fleet.freezes, now), heard)


def _decided_at(gate: Gate) -> tuple[datetime, str]:
    return (gate.decision.at if gate.decision else gate.ended_at or gate.opened_at, gate.id)


def attention_of(gate: Gate) -> Attention:
    """How a gate is drawn."""
    match gate.phase:
        case GatePhase.OPEN:
            return Attention.WAITING
        case GatePhase.APPROVED | GatePhase.EXECUTING:
            return Attention.MOVING
        case GatePhase.EXECUTED:
            return Attention.GOOD
        case GatePhase.FAILED:
            return Attention.FAILED
    return Attention.UNKNOWN


def line(gate: Gate, found: Sequence[Ruling]) -> GateLine:
    """A gate in one line."""
    subject, decision = gate.subject, gate.decision
    return GateLine(
        gate.id,
        subject.service,
        subject.environment,
        subject.came_from,
        subject.team,
        gate.origin,
        gate.phase,
        subject.question,
        subject.after.name,
        subject.before.name,
        subject.stands,
        gate.opened_at,
        gate.expires_at,
        tuple(r.name for r in missing(found)) if gate.phase is GatePhase.OPEN else (),
        attention_of(gate),
        _FINAL.get(gate.phase, ""),
        decision.by if decision else "",
        decision.reason if decision else "",
        decision.at if decision else None,
        decision.basis if decision else None,
    )


def judged(fleet: Fleet, gate: Gate, now: datetime) -> tuple[Ruling, ...]:
    """Every rule of a gate, by what the fleet shows now."""
    return rulings(gate, fleet.delivery, Around(fleet.freezes, moving(fleet, gate)), now)


def moving(fleet: Fleet, gate: Gate) -> tuple[str, ...]:
    """What moves of the gate's service in its environment, apart from what the gate is about."""
    subject = gate.subject
    rows = (
        fleet.workloads[key] for key in fleet.by_service.get(subject.service, ()) if key in fleet.workloads
    )
    return tuple(
        sorted(
            row.ref.name
            for row in rows
            if row.place.environment == subject.environment
            and (gate.origin is Origin.PROMOTION or row.key != subject.workload)
            and row.attention in (Attention.MOVING, Attention.WAITING)
        )
    )


def detail(fleet: Fleet, gate: Gate, now: datetime) -> GateDetail:
    """A gate with all that it is decided by."""
    subject, evidence = gate.subject, gate.evidence
    found = judged(fleet, gate, now)
    counted = {v.person for v in valid(gate, fleet.delivery)}
    return GateDetail(
        line(gate, found),
        str(subject.target or ""),
        subject.then,
        subject.else_,
        gate.message,
        gate.command,
        subject.asker.partition("|")[2],
        subject.url,
        subject.commit,
        tuple(RuleLine(r.rule, r.name, r.holds, r.said, r.aside, r.clears, r.until) for r in found),
        tuple(r.blocker for r in missing(found)) if gate.phase is GatePhase.OPEN else (),
        images(subject.before.images, subject.after.images),
        tuple(_vote(gate, v.person, counted) for v in gate.votes),
        evidence.commits,
        evidence.left_out,
        None if evidence.people is None else tuple(dict.fromkeys(p.name or p.email for p in evidence.people)),
        _back(gate),
        moving(fleet, gate),
        coming(fleet.freezes, subject.environment, subject.service, now),
        explained(fleet.delivery.of(subject.environment), fleet.delivery.before(subject.environment)),
        gate.digest,
        gate.policy,
        any(r.rule == "freeze" and not r.met for r in found),
    )


_SEEN = {Holds.YES: Attention.GOOD, Holds.NO: Attention.FAILED, Holds.UNKNOWN: Attention.UNKNOWN}


def proofs(gate: Gate) -> tuple[ProofLine, ...]:
    """What is known of the version, and what nobody has told, whether a rule asks for it or not."""
    evidence = gate.evidence
    found = []
    for name, proof in (("CI", evidence.ci), ("Tests", evidence.tests)):
        said = proof.said or "nobody has reported it for this version"
        found.append(ProofLine(name, _SEEN[proof.holds], said, proof.at, "never" if not proof.said else ""))
    if gate.subject.came_from or gate.subject.source:
        where = (gate.subject.came_from or "before").capitalize()
        good = evidence.soaking_since is not None
        said = evidence.soak or "not seen there"
        state = Attention.GOOD if good else Attention.UNKNOWN
        found.append(
            ProofLine(where, state, said, evidence.soaking_since, "" if good else "not now", ago=False)
        )
    worst = evidence.scan.worst
    holds = Holds.UNKNOWN if worst is None else Holds.NO if worst >= Severity.HIGH else Holds.YES
    scanned = evidence.scan.said or (
        f"worst finding: {worst.name.lower()}" if worst is not None else "not scanned"
    )
    found.append(ProofLine("Scan", _SEEN[holds], scanned, evidence.scan.at, "never" if worst is None else ""))
    signed = evidence.signature
    found.append(
        ProofLine(
            "Signature",
            _SEEN[signed.holds],
            signed.said or "not looked for",
            signed.at,
            "" if signed.said else "never",
        )
    )
    return tuple(found)


def images(before: Iterable[str], after: Iterable[str]) -> tuple[ImageLine, ...]:
    """What becomes of each image, those that change first."""
    old = {ImageRef.parse(image).repository: image for image in before}
    new = {ImageRef.parse(image).repository: image for image in after}
    found = []
    for repository in dict.fromkeys((*new, *old)):
        was, will = old.get(repository, ""), new.get(repository, "")
        how = "unchanged" if was == will else "new" if not was else "removed" if not will else "changed"
        found.append(ImageLine(how, repository, _tag(was), _tag(will)))
    return tuple(sorted(found, key=lambda i: (i.how == "unchanged", i.repository)))


def may_not(fleet: Fleet, gate: Gate, who: Principal) -> tuple[Blocker, ...]:
    """Why `who` may not approve; empty: they may."""
    return barred(gate, who, fleet.delivery)


def _tag(image: str) -> str:
    ref = ImageRef.parse(image)
    return (ref.digest or ref.tag or "latest") if image else ""


def _vote(gate: Gate, person: str, counts: set[str]) -> VoteLine:
    cast = next(v for v in gate.votes if v.person == person)
    why = ""
    if cast.digest != gate.digest:
        why = "on other evidence"
    elif person not in counts:
        why = "may not decide here"
    return VoteLine(person, cast.principal.name, cast.at, cast.reason, why)


def _back(gate: Gate) -> tuple[tuple[str, str], ...]:
    back = gate.evidence.rollback
    if not back.to:
        return (("Back to", "nothing: this is the first version"),)
    found = [
        ("Back to", back.to if back.kept or not gate.subject.workload else f"{back.to}, which is not kept")
    ]
    if back.proven_at:
        took = f" in {round(back.took.total_seconds())} s" if back.took else ""
        found.append(("Last proven", f"{back.proven_at:%b} {back.proven_at.day}{took}"))
    elif gate.subject.workload:
        found.append(("Last proven", "never seen"))
    return tuple(found)
