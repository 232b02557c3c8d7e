"""/gates: what waits for a decision, the evidence it takes, the decision itself; and questions that pipelines ask.

A pipeline asks with POST and waits with GET …/wait, again and again until the phase is another than "open": the
question is in the database, so it survives a restart, of either side.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from app.domain.gates import Answer, Gate, GatePhase, Origin, Subject, Version
from app.domain.names import cut
from app.domain.policy import Permission, permits
from app.perform import Ballot, Gates, cast_ballot
from app.perform.asking import Question
from app.read.gate_models import GateDetail, GateLine
from app.read.gates import detail, judged, line
from app.web.answers import refusal, tagged
from app.web.auth import needs, of
from app.web.auth.access import refuse_unless
from app.web.fields import Body
from app.web.streams import Hub

from .contents import encode
from .listing import Listed, answers, starting

Ident = Annotated[str, Path(pattern="^[0-9a-f]{1,64}$")]
Short = Annotated[str, Field(max_length=200)]
_NOW = datetime.fromisoformat("2026-11-23T14:05:00+00:00")
_EXAMPLE_GATE = Gate(
    "9d1f0c2a6d4c1b8e",
    "pipeline|x",
    Origin.PIPELINE,
    Subject("pricing", "production", "May 2.8.0 go to production?", Version("2.7.9"), Version("2.8.0")),
    _NOW,
    _NOW + timedelta(days=1),
)
_LINE = line(_EXAMPLE_GATE, ())


class QuestionBody(Body):
    """What is asked. The same `key` by the same caller is the same question."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "service": "pricing",
                "environment": "production",
                "version": "2.8.0",
                "key": "run-4711",
            }
        },
    )
    service: str = Field(min_length=1, max_length=100)
    environment: str = Field(min_length=1, max_length=100)
    version: Short = ""
    before: Short = ""
    images: list[Annotated[str, Field(max_length=500)]] = Field(default_factory=list, max_length=50)
    question: Short = ""
    commit: str = Field(default="", pattern="^[0-9a-f]{0,64}$")
    url: Annotated[str, Field(max_length=500)] = ""
    key: str = Field(min_length=1, max_length=200)
    minutes: int | None = Field(default=None, ge=1, le=60 * 24 * 30)


class BallotBody(Body):
    """An answer: "approve", "reject", "withdraw" or "break-glass", on the evidence whose digest was shown."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"answer": "approve", "evidence": "3f9a…", "reason": "Looks good."}},
    )
    answer: Answer
    evidence: str = Field(default="", max_length=64)
    reason: str = Field(default="", max_length=500)
    override: bool = False


def question_of(body: QuestionBody, asker: str) -> Question:
    """What a caller asks, as a question."""
    name = cut(body.version or (body.images[0].rpartition(":")[2] if body.images else "") or body.commit[:8])
    said = cut(body.question) or f"May {name or 'it'} go to {cut(body.environment)}?"
    subject = Subject(
        cut(body.service),
        cut(body.environment),
        said,
        Version(cut(body.before)),
        Version(name, tuple(cut(image) for image in body.images)),
        then="The pipeline that asks gets its yes, and goes on.",
        else_="The pipeline that asks gets its no.",
        stands="a pipeline waits",
        commit=body.commit,
        url=body.url,
        asker=asker,
        token=body.key,
    )
    return Question(f"pipeline|{asker}|{body.key}", Origin.PIPELINE, subject)


def add(router: APIRouter, hub: Hub, gates: Gates) -> None:
    """Add the operations to `router`."""

    def shown(gate: Gate, status: int = 200) -> Response:
        body = encode(detail(hub.fleet, gate, hub.clock()))
        headers = {"cache-control": "no-store", "location": f"/api/v1/gates/{gate.id}"}
        return Response(body, status, headers, media_type="application/json")

    @router.get(
        "/gates",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[GateLine],
        responses=answers(Listed((_LINE,), None), ()),
    )
    async def listed(
        request: Request,
        phase: GatePhase | None = None,
        environment: Annotated[str, Query(max_length=100)] = "",
        service: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        """Gates that are not over, those that waited longest first, then those that ended within a day."""
        if not hub.ready:
            return starting()
        now = hub.clock()
        found = [
            replace(line(g, judged(hub.fleet, g, now)), yours=_yours(g, request))
            for g in hub.fleet.gates.values()
            if phase in (None, g.phase)
            and environment in ("", g.subject.environment)
            and service in ("", g.subject.service)
        ]
        found.sort(key=lambda each: (not each.waits, each.opened_at, each.id))
        return tagged(request, encode({"items": found, "next": None}))

    @router.post(
        "/gates",
        dependencies=[needs(Permission.REPORT)],
        status_code=201,
        response_model=GateDetail,
        responses={403: {"description": "Not permitted"}},
    )
    async def ask(request: Request, body: QuestionBody) -> Response:
        """Ask whether something may go on. Asked again with its key, it is the same gate."""
        who = of(request.scope)
        await refuse_unless(permits(who, Permission.REPORT, body.environment), request.scope)
        ends = hub.clock() + timedelta(minutes=body.minutes) if body.minutes else None
        return shown(await gates.ask(question_of(body, who.identity), who, ends), 201)

    @router.get(
        "/gates/{ident}",
        dependencies=[needs(Permission.VIEW)],
        response_model=GateDetail,
        responses=answers(_LINE, (), 404),
    )
    async def one(request: Request, ident: Ident) -> Response:
        """One gate with every rule, its evidence and its votes."""
        return shown(await gates.one(ident))

    @router.get(
        "/gates/{ident}/wait",
        dependencies=[needs(Permission.VIEW)],
        response_model=GateDetail,
        responses=answers(_LINE, (), 404),
    )
    async def wait(
        request: Request,
        ident: Ident,
        within: Annotated[float, Query(ge=0, le=60, description="Seconds to wait at most.")] = 30.0,
    ) -> Response:
        """The gate as soon as it is decided: 200 with its phase, or "open" when the time is up: ask again then."""
        gate = await gates.waited(ident, within)
        asks = of(request.scope).identity == gate.subject.asker
        return shown(await gates.told(gate) if asks else gate)

    @router.post(
        "/gates/{ident}/decisions",
        dependencies=[needs(Permission.DECIDE)],
        response_model=GateDetail,
        responses={
            403: {"description": "Not permitted"},
            409: {"description": "The evidence changed (see difference), or it is decided"},
        },
    )
    async def decide(
        request: Request,
        ident: Ident,
        body: BallotBody,
        dry_run: Annotated[bool, Query(description="Only tell whether it would count.")] = False,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> Response:
        """Decide. It counts on exactly the evidence named; where that has changed, nothing happens."""
        if not dry_run and not idempotency_key:
            why = "A decision needs the header Idempotency-Key."
            raise refusal(request, 400, "No key", why, "Make one up; send the same when you ask again.")
        ballot = Ballot(
            body.answer, body.evidence, body.reason, body.override, idempotency_key or "", request_id(request)
        )
        return shown(await cast_ballot(gates, ident, ballot, of(request.scope), dry_run=dry_run))


def _yours(gate: Gate, request: Request) -> bool:
    where = gate.subject.environment
    return gate.phase is GatePhase.OPEN and permits(of(request.scope), Permission.DECIDE, where).allowed


def request_id(request: Request) -> str:
    """The id of a request, for the audit."""
    found: Any = request.scope.get("state", {}).get("request_id", "")
    return str(found)
