"""One gate: what is in the way, is it proven, what changes, what if it goes wrong, who else; then the decision.

The page is shared by all who may do the same and kept up by its stream; the form at its end is each viewer's own, and
takes the digest of the evidence from a region that the stream keeps up, so that it is always that of what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from app.domain.gates import Answer, Gate, GatePhase
from app.domain.policy import Permission, permits
from app.perform import Ballot, Gates, cast_ballot
from app.read import gates as read
from app.read.fleet import Fleet
from app.read.gate_evidence import proofs
from app.read.gate_models import GatePage
from app.web import auth
from app.web.auth import needs
from app.web.render import Renderer

from .gates import LiveGates
from .page import Dirty, Page

_REGIONS = ("sentence", "rules", "proof", "change", "commits", "aside", "seal")


@dataclass(frozen=True, slots=True)
class GateQuery:
    """Which gate."""

    ident: str

    @classmethod
    def parse(cls, params: Iterable[tuple[str, str]]) -> GateQuery:
        """Read the path's parameter. Raises ValueError."""
        ident = dict(params).get("ident", "")
        if not re.fullmatch(r"[0-9a-f]{1,64}", ident):
            raise ValueError("This is no gate's address.")
        return cls(ident)

    def query_string(self) -> str:
        """Always empty."""
        return ""


class _Gate(LiveGates):
    """`GatePage` as a page reads it."""

    name = "shown"
    model: GatePage

    def __init__(self, fleet: Fleet, query: GateQuery, now: datetime, environments: Sequence[str]) -> None:
        self._ident = query.ident
        self._last = fleet.gates[query.ident]
        super().__init__(fleet, now)

    def rows(self) -> Mapping[str, object]:
        return {}

    def _make(self) -> GatePage:
        self._last = self._fleet.gates.get(self._ident, self._last)
        gate = self._last
        return GatePage(read.detail(self._fleet, gate, self._now), proofs(gate), self._heard())

    def _dirty(self, before: GatePage) -> Dirty:
        return Dirty(frozenset({*_REGIONS, "foot"}))


async def _find(fleet: Fleet, query: GateQuery) -> None:
    if query.ident not in fleet.gates:
        await fleet.recall(query.ident)
    if query.ident not in fleet.gates:
        raise LookupError("There is no such gate, or it was decided long ago; the audit has what came of it.")


def _mine(renderer: Renderer, fleet: Fleet, query: GateQuery, scope: Scope, now: datetime) -> str:
    """The form of one viewer: which buttons they have, or why not."""
    gate, who = fleet.gates.get(query.ident), auth.of(scope)
    if gate is None:
        return ""
    place = gate.subject.environment
    blocked = read.may_not(fleet, gate, who)
    may_reject = not [b for b in blocked if b.rule not in ("four-eyes", "group")]
    context = {
        "gate": gate,
        "blocked": blocked,
        "may_reject": may_reject,
        "may_break": may_reject and permits(who, Permission.ADMIN, place).allowed,
        "voted": any(v.person == who.identity and v.digest == gate.digest for v in gate.votes),
        "open": gate.phase is GatePhase.OPEN,
        "takes_back": gate.phase is GatePhase.APPROVED and any(v.person == who.identity for v in gate.votes),
        "frozen": any(r.rule == "freeze" and not r.met for r in read.judged(fleet, gate, now)),
        "approve": _approve(gate),
        "csrf": str(scope.get("csrf", "")),
        "key": token_hex(16),
    }
    return renderer.page("decide.html", context)


def _approve(gate: Gate) -> str:
    name = gate.subject.after.name
    return f"Approve {name}" if name and len(name) <= 14 else "Approve"


def routes(gates: Gates) -> APIRouter:
    """Where the form goes."""
    router = APIRouter(include_in_schema=False)

    @router.post("/gates/{ident}/decisions", dependencies=[needs(Permission.DECIDE)])
    async def decide(
        request: Request,
        ident: str,
        answer: Annotated[Answer, Form()],
        evidence: Annotated[str, Form(max_length=64)] = "",
        reason: Annotated[str, Form(max_length=500)] = "",
        override: Annotated[bool, Form()] = False,
        key: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        found = str(request.scope.get("state", {}).get("request_id", ""))
        ballot = Ballot(answer, evidence, reason, override, key or token_hex(16), found)
        gate = await cast_ballot(gates, ident, ballot, auth.of(request.scope))
        return RedirectResponse(f"/gates/{gate.id}", 303, {"cache-control": "no-store"})

    return router


PAGE = Page(
    path="/gates/{ident}",
    title="Gate",
    template="gate.html",
    regions=(*_REGIONS, "foot"),
    parse=GateQuery.parse,
    open=_Gate,
    find=_find,
    mine=_mine,
    absent="No such gate",
)
