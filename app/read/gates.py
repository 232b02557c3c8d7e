"""Gates as pages and the API show them: what waits, oldest first; and one gate with everything it is decided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ..domain.delivery import explained
from ..domain.forges import CallPhase
from ..domain.freezes import coming
from ..domain.gates import Gate, GatePhase, Origin
from ..domain.names import ImageRef
from ..domain.people import Principal
from ..domain.policy import Blocker, Permission, permits
from ..domain.rollout import Attention
from ..domain.rulings import Around, Ruling, barred, missing, rulings, valid
from .board import Listening
from .fleet import Fleet
from .frost import calendar
from .gate_evidence import going_back, images
from .gate_models import (
    CallLine,
    GateDetail,
    GateLine,
    Inbox,
    RuleLine,
    VoteLine,
)

_FINAL = {
    GatePhase.APPROVED: "approved",
    GatePhase.EXECUTING: "approved",
    GatePhase.EXECUTED: "approved",
    GatePhase.FAILED: "approved, and it failed",
    GatePhase.REJECTED: "rejected",
    GatePhase.EXPIRED: "not answered in time",
    GatePhase.VOID: "not asked any more",
}


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
    freezes = calendar(fleet.freezes, now)
    changeable = tuple(f for f in freezes if permits(who, Permission.ADMIN, f.environment).allowed)
    return Inbox(rows, len(waiting), len(mine), freezes, changeable, heard)


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


def others(fleet: Fleet, gate: Gate) -> tuple[str, ...]:
    """Other services that move in the gate's environment just now."""
    subject = gate.subject
    return tuple(
        sorted(
            {
                row.place.service
                for row in fleet.workloads.values()
                if row.place.environment == subject.environment
                and row.place.service != subject.service
                and row.attention is Attention.MOVING
            }
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
        images(subject.before.images, subject.after.images, dict(evidence.digests)),
        tuple(_vote(gate, v.person, counted) for v in gate.votes),
        evidence.commits,
        evidence.left_out,
        None if evidence.people is None else tuple(dict.fromkeys(p.name or p.email for p in evidence.people)),
        going_back(gate, now),
        moving(fleet, gate),
        coming(fleet.freezes, subject.environment, subject.service, now),
        explained(fleet.delivery.of(subject.environment), fleet.delivery.before(subject.environment)),
        gate.digest,
        gate.policy,
        any(r.rule == "freeze" and not r.met for r in found),
        _told(gate),
        evidence.lost,
        evidence.configuration,
        others(fleet, gate),
        _image(fleet, gate),
    )


def _told(gate: Gate) -> CallLine | None:
    """What became of telling the forge, once it is owed an answer."""
    call, state = gate.subject.call, gate.told
    if call is None or state is None or gate.phase in (GatePhase.OPEN, GatePhase.APPROVED, GatePhase.VOID):
        return None
    if state.phase is CallPhase.MOOT:
        return None
    again = state.due_at if state.phase is CallPhase.DUE and state.said else None
    return CallLine(call.forge, state.phase, state.said, state.tries, state.told_at, again)


def _image(fleet: Fleet, gate: Gate) -> str:
    """The digest of the first image of what may go in, as pods of the service run it anywhere."""
    wanted = gate.subject.after.images
    for image in wanted[:1]:
        if (own := ImageRef.parse(image).digest).startswith("sha256:"):
            return own
    for key in sorted(fleet.by_service.get(gate.subject.service, ())):
        state = fleet.workloads[key].state
        for revision in (state.revision, *state.revisions):
            if revision and wanted and revision.images == wanted and revision.digests:
                return revision.digests[0]
    return ""


def may_not(fleet: Fleet, gate: Gate, who: Principal) -> tuple[Blocker, ...]:
    """Why `who` may not approve; empty: they may."""
    return barred(gate, who, fleet.delivery)


def _vote(gate: Gate, person: str, counts: set[str]) -> VoteLine:
    cast = next(v for v in gate.votes if v.person == person)
    why = ""
    if cast.digest != gate.digest:
        why = "on other evidence"
    elif person not in counts:
        why = "may not decide here"
    return VoteLine(person, cast.principal.name, cast.at, cast.reason, why)
