"""What the board shows that is worth a message, in sentences: read from the fleet, which is committed history.

The same change gives the same notice at every look, on every replica and after every restart; the outbox tells each
once. What the board does not follow (nothing is on its way and a pod fell over) is for alerting, not for this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote

from ..domain.delivery import Mode
from ..domain.facts import POLLING, WEBHOOKS
from ..domain.freshness import Freshness
from ..domain.gates import Basis, Gate, GatePhase, Origin
from ..domain.names import WorkloadRef, cut
from ..domain.notices import Notice, NoticeKind
from ..domain.rollout import Attention, Outcome, Phase
from ..domain.rulings import missing
from .fleet import Fleet
from .gates import judged as ruled
from .pipelines import since as since_when
from .rows import RolloutRow, SourceRow
from .sources import judged, needed
from .telling import sentence
from .words import opens

SILENCE = timedelta(minutes=5)
"""How long a source may be silent before anybody is told: restarts and cut connections are shorter."""
_TEXT = 300


def notices(fleet: Fleet, now: datetime, up_since: datetime) -> list[Notice]:
    """All that is worth telling as things stand. `up_since` is when this board began to listen: before, it could hear
    nobody."""
    found = [*_gates(fleet, now), *_rollouts(fleet), *_stuck(fleet, now), *_freezes(fleet, now)]
    found += [*_builds(fleet, now), *_sources(fleet, now, up_since)]
    return sorted(found, key=lambda notice: (notice.at, notice.key))


def _gates(fleet: Fleet, now: datetime) -> Iterator[Notice]:
    for gate in fleet.gates.values():
        decision, s = gate.decision, gate.subject
        if gate.phase is GatePhase.OPEN and fleet.delivery.of(s.environment).mode is not Mode.AUTOMATIC:
            yield opened(fleet, gate, now)
        if decision and gate.phase in _DECIDED and decision.basis is not Basis.RULE:
            said = "approved" if decision.phase is GatePhase.APPROVED else "rejected"
            how = {Basis.BREAK_GLASS: ", although rules say no", Basis.OVERRIDE: ", although it is frozen"}
            why = f"Why: {decision.reason}" if decision.reason else ""
            asked = f"{s.after.name or 'what was asked'} for {s.service} in {s.environment}"
            title = f"{decision.by or 'A rule'} {said} {asked}{how.get(decision.basis, '')}."
            told = _of_gate(NoticeKind.GATE_DECIDED, gate, decision.at, title, why)
            yield replace(told, key=f"{told.key}/{decision.at.isoformat()}", by=decision.by, decision=said)
        if gate.phase in _ENDED and gate.ended_at:
            kind, what = _ENDED[gate.phase]
            if kind is not NoticeKind.GATE_VOID or gate.votes:
                name = f"{s.after.name or 'The question'} for {s.service} in {s.environment}"
                yield _of_gate(kind, gate, gate.ended_at, f"{name} {what}.", gate.message)


_DECIDED = frozenset(
    {GatePhase.APPROVED, GatePhase.EXECUTING, GatePhase.EXECUTED, GatePhase.FAILED, GatePhase.REJECTED}
)
_ENDED = {
    GatePhase.EXECUTED: (NoticeKind.GATE_EXECUTED, "was approved, and that is carried out"),
    GatePhase.FAILED: (NoticeKind.GATE_FAILED, "was approved, and could not be carried out"),
    GatePhase.EXPIRED: (NoticeKind.GATE_EXPIRED, "was not answered in time, so the answer is no"),
    GatePhase.VOID: (NoticeKind.GATE_VOID, "is not asked any more"),
}


def opened(fleet: Fleet, gate: Gate, now: datetime) -> Notice:
    """That a gate waits, and what else stands in the way of it."""
    s = gate.subject
    lacks = [r for r in missing(ruled(fleet, gate, now)) if not r.personal]
    first = "" if not s.stands or gate.origin is Origin.FLAGGER else f"It is {s.stands}."
    rest = "; ".join(f"{r.name}: {r.said}" for r in lacks[:4])
    waits = f"Besides approval it lacks: {rest}." if rest else "Only a decision is missing."
    title = f"{s.service} waits for a decision. {s.question}"
    return _of_gate(NoticeKind.GATE_OPENED, gate, gate.opened_at, title, f"{first} {waits}".strip())


def _of_gate(kind: NoticeKind, gate: Gate, at: datetime, title: str, text: str) -> Notice:
    s = gate.subject
    return Notice(
        kind,
        f"gate/{gate.id}/{kind}",
        f"gate/{gate.id}",
        at,
        cut(title, _TEXT),
        cut(text, _TEXT),
        f"/gates/{gate.id}",
        s.environment,
        s.service,
        s.team,
        gate.id,
        gate.digest,
        s.after.name,
    )


def _rollouts(fleet: Fleet) -> Iterator[Notice]:
    for row in fleet.rollouts.values():
        if row.ended_at is None or row.outcome is None:
            continue
        if row.outcome in (Outcome.FAILED, Outcome.ABORTED):
            verb = "failed" if row.outcome is Outcome.FAILED else "was aborted"
            kind, text = NoticeKind.ROLLOUT_FAILED, f"It came after {row.from_version}. {row.cause}"
        elif row.outcome is Outcome.ROLLED_BACK or (row.back and row.outcome is not Outcome.SUPERSEDED):
            verb, kind, text = "is back", NoticeKind.ROLLOUT_BACK, f"It was {row.from_version}. {row.cause}"
        else:
            continue
        text = text.partition(". ")[2] if not row.from_version else text
        title = f"{row.place.service} {row.to_version} {verb} in {row.place.environment}."
        yield _of_rollout(fleet, row, kind, row.ended_at, title, text.strip())


def _stuck(fleet: Fleet, now: datetime) -> Iterator[Notice]:
    running = {row.workload: row for row in fleet.rollouts.values() if row.ended_at is None}
    for key, row in running.items():
        workload = fleet.workloads.get(key)
        if workload is None or workload.attention is not Attention.FAILED:
            continue
        if workload.state.phase in (Phase.FAILED, Phase.ABORTED):
            continue  # its end is told as such
        said = sentence(workload, Attention.FAILED, None).text
        title = f"{row.place.service} is stuck on its way in {row.place.environment}."
        yield _of_rollout(fleet, row, NoticeKind.ROLLOUT_STUCK, now, title, said)


def _of_rollout(
    fleet: Fleet, row: RolloutRow, kind: NoticeKind, at: datetime, title: str, text: str
) -> Notice:
    workload = fleet.workloads.get(row.workload)
    return Notice(
        kind,
        f"rollout/{row.id}/{kind}",
        f"rollout/{row.id}",
        at,
        cut(title, _TEXT),
        cut(text, _TEXT),
        _page(workload.ref) if workload else "/timeline",
        row.place.environment,
        row.place.service,
        row.place.team,
        version=row.to_version,
    )


def _freezes(fleet: Fleet, now: datetime) -> Iterator[Notice]:
    for freeze in fleet.freezes:
        if not freeze.holds(now):
            continue
        began = freeze.window.around(now)[0] if freeze.window else freeze.since
        key = f"freeze/{freeze.id}/{began.isoformat() if began else ''}"
        ends = freeze.ends(now)
        until = f"until {ends:%a %d %b %H:%M} UTC" if ends else "until somebody lifts it"
        by = f" by {freeze.by}" if freeze.by else ""
        title = f"{opens(freeze.where)} is frozen{by} {until}."
        text = f"{freeze.reason.rstrip('.')}. Going back stays possible."
        kind = NoticeKind.FREEZE_BEGAN
        yield Notice(kind, key, key, began or now, cut(title, _TEXT), cut(text, _TEXT), "/gates",
                     freeze.environment, freeze.service, "*")  # fmt: skip


def _builds(fleet: Fleet, now: datetime) -> Iterator[Notice]:
    for service, builds in fleet.builds.by_service.items():
        if red := builds.broken:
            team = next((row.place.team for key in fleet.by_service.get(service, ())
                         if (row := fleet.workloads.get(key))), "")  # fmt: skip
            key = f"main/{service}/{red.run}"
            kind, title = NoticeKind.MAIN_BROKEN, f"The main branch of {service} is red."
            said = f"{since_when(red, 'Red')}: {red.title}" if red.title else since_when(red, "Red")
            yield Notice(kind, key, f"main/{service}", now, cut(title, _TEXT), cut(f"{said.rstrip('.')}.", _TEXT),
                         f"/pipelines/{quote(red.run, safe='')}", "", service, team)  # fmt: skip


def _sources(fleet: Fleet, now: datetime, up_since: datetime) -> Iterator[Notice]:
    rows = [judged(row, now) for row in fleet.sources.values()]
    heeded = [*needed(rows), *(row for row in rows if row.kind in (WEBHOOKS, POLLING))]
    longest: dict[str, SourceRow] = {}
    for row in heeded:
        heard = max(row.contact_at or up_since, up_since)
        if row.freshness is not Freshness.STALE or now - heard <= SILENCE:
            continue
        known = longest.get(row.cluster)
        if known is None or _heard(row) < _heard(known):
            longest[row.cluster] = row
    for name, row in longest.items():
        at = row.contact_at
        when = f"since {at:%H:%M} UTC on {at:%d %b}" if at else "since this board began"
        key = f"source/{name}/{at.isoformat() if at else ''}"
        title = f"{name} has been silent {when}."
        text = f"{row.message} What the board shows of it is old.".strip()
        yield Notice(NoticeKind.SOURCE_SILENT, key, key, now, cut(title, _TEXT), cut(text, _TEXT), "/sources")


def _heard(row: SourceRow) -> tuple[bool, float]:
    return row.contact_at is not None, row.contact_at.timestamp() if row.contact_at else 0.0


def _page(ref: WorkloadRef) -> str:
    return f"/workloads/{quote(str(ref))}"
