"""What of a service waits for a person, and what of it is held. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..domain.gates import Gate, Origin
from ..domain.rollout import Attention
from .acts import answer, hold
from .board import Held, Waiting
from .query import version_of
from .rows import WorkloadRow
from .seen import Seen
from .telling import ask, stands
from .words import slug


def held(service: str, rows: Sequence[WorkloadRow]) -> tuple[Held, ...]:
    """What of a service is held."""
    return tuple(
        Held(service, row.place.environment, str(row.ref), found.by, found.until)
        for row in rows
        if (found := hold(row.state.owner))
    )


def waiting(
    service: str, seen: Sequence[Seen], names: Collection[str], gates: Sequence[Gate] = ()
) -> tuple[Waiting, ...]:
    """What of a service waits for a person, in the environments `names`: each with its gate, where one is open."""
    rows = [s for s in seen if s.attention is Attention.WAITING and s.row.place.environment in names]
    if not rows and not gates:
        return ()
    mine = {g.subject.workload: g for g in gates if g.origin is Origin.ROLLOUT}
    found = [
        Waiting(
            service=service,
            slug=slug(str(s.row.ref)),
            environment=s.row.place.environment,
            cluster=s.row.ref.cluster,
            version=version_of(s.row),
            ask=ask(s.row.state),
            stands=stands(s.row.state),
            ref=str(s.row.ref),
            team=s.row.place.team,
            since=s.row.state.waits_for.since or s.row.since,
            verb=answer(s.row),
            href=f"/gates/{mine[s.row.key].id}" if s.row.key in mine else "",
        )
        for s in rows
    ]
    found += [
        Waiting(
            service=service,
            slug=f"gate-{g.id}",
            environment=g.subject.environment,
            cluster=g.subject.target.cluster if g.subject.target else "",
            version=g.subject.after.name,
            ask=g.subject.question,
            stands=g.subject.stands,
            ref=str(g.subject.target or ""),
            team=g.subject.team,
            since=g.opened_at,
            href=f"/gates/{g.id}",
            decision=True,
        )
        for g in gates
        if g.origin is not Origin.ROLLOUT and g.subject.environment in names
    ]
    return tuple(found)
