"""The gate that Flagger polls: confirm-rollout, confirm-traffic-increase, confirm-promotion, and the inverted rollback.

Flagger takes 200 to 202 for yes and everything else for no (also 204), signs nothing and sends no hook type, so the
address holds cluster, type and a secret. Answers come from the database and fail closed; before a yes the target is
looked at, since an approval holds only for the version and the weight it was given for.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import structlog
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from app.domain.commands import Expected
from app.domain.errors import ShipboardError
from app.domain.gates import Gate, GatePhase, Origin, Subject, Version
from app.domain.names import WorkloadRef, cut
from app.domain.people import Principal, PrincipalKind
from app.domain.policy import Permission
from app.domain.refusals import ClusterError
from app.domain.revisions import Revision
from app.domain.rollout import RolloutState
from app.perform import ClusterLike, Gates
from app.perform.asking import Question
from app.perform.look import look
from app.store.commands import Known
from app.web.auth import needs

MAX_BODY = 65_536
TYPES = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion", "rollback")
LOOK_SECONDS = 4.0
"""Flagger waits 10 s for an answer."""
_NO = (GatePhase.REJECTED, GatePhase.EXPIRED)
MOST_TRIES = 100
AT_WORK = ("Progressing", "WaitingPromotion")
"""Phases in which Flagger acts on a rollback."""
FLAGGER = Principal(PrincipalKind.SYSTEM, "shipboard", "flagger", "Flagger")

log = structlog.get_logger("shipboard.flagger")


class _Hook(msgspec.Struct):
    """What Flagger sends."""

    name: str
    namespace: str
    phase: str = ""
    checksum: str = ""


_hook = msgspec.json.Decoder(_Hook)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call: of which Canary, of which type, and what marks the version that is asked about."""

    ref: WorkloadRef
    type: str
    phase: str
    mark: str
    known: Known


def routes(gates: Gates, clusters: Mapping[str, ClusterLike], secret: str) -> APIRouter:
    """The address /hooks/flagger/{secret}/{cluster}/{type}."""
    router = APIRouter(include_in_schema=False)

    @router.post("/hooks/flagger/{given}/{cluster}/{kind}", dependencies=[needs(Permission.OPEN)])
    async def asked(request: Request, given: str, cluster: str, kind: str) -> Response:
        if not hmac.compare_digest(given.encode(), secret.encode()) or kind not in TYPES:
            return PlainTextResponse("There is no such hook.", 404)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return PlainTextResponse("The request is larger than Flagger's.", 413)
        try:
            hook = _hook.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return PlainTextResponse("The request is not as Flagger sends it.", 400)
        if cluster not in clusters:
            return PlainTextResponse(f"Shipboard is not connected to {cut(cluster, 60)}.", 403)
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await _answer(gates, clusters[cluster], kind, hook)
        except TimeoutError:
            return PlainTextResponse(f"{cut(cluster, 60)} did not answer in time.", 403)
        except (ShipboardError, ClusterError) as error:
            log.warning("flagger cannot be answered", hook=kind, reason=str(error))
            return PlainTextResponse(str(error), 403)

    return router


async def _answer(gates: Gates, cluster: ClusterLike, kind: str, hook: _Hook) -> Response:
    known = await gates.known(WorkloadRef(cluster.name, cut(hook.namespace), "Canary", cut(hook.name)))
    asked = _Asked(known.ref, kind, hook.phase, _mark(known.state, kind, hook), known)
    if kind == "rollback":
        return await _rollback(gates, asked, hook.checksum)
    gate = await gates.fresh(await _asked_anew(gates, asked))
    if gate.phase in (GatePhase.APPROVED, GatePhase.EXECUTED):
        now = (await look(cluster, known.ref)).state
        if _mark(now, kind, hook) != asked.mark:
            return PlainTextResponse("Another version is asked for by now.", 403)
    if gate.phase is GatePhase.APPROVED:
        gate = await gates.told(gate)
    if gate.phase is GatePhase.EXECUTED:
        return PlainTextResponse("approved")
    return PlainTextResponse(f"Gate {gate.id} is {gate.phase.value}: /gates/{gate.id}", 403)


async def _asked_anew(gates: Gates, asked: _Asked) -> Gate:
    """The gate of the question; another one where a no was used up and the same version is tried again."""
    question, n = _question(asked), 1
    gate = await gates.ask(question, FLAGGER)
    while gate.phase in _NO and gate.decision and n < MOST_TRIES:
        if not await gates.over_since(asked.known.key, gate.decision.at):
            break
        n += 1
        gate = await gates.ask(replace(question, key=f"{question.key}#{n}"), FLAGGER)
    return gate


async def _rollback(gates: Gates, asked: _Asked, checksum: str) -> Response:
    """200 only where a person rejected this very version while it was on its way. That no is used up once a rollout
    ended after it: the same version, tried again, is asked about again; until then Flagger may ask as often as its
    answers get lost."""
    if asked.phase not in AT_WORK:
        return PlainTextResponse("Nothing is on its way.", 403)
    for gate in await gates.of_key(f"flagger|{asked.known.key}|"):
        if gate.phase is not GatePhase.REJECTED or not gate.decision or not _same(gate, asked, checksum):
            continue
        if not await gates.over_since(asked.known.key, gate.decision.at):
            return PlainTextResponse(f"rejected by {gate.decision.by}")
    return PlainTextResponse("Nobody asked for it.", 403)


def _same(gate: Gate, asked: _Asked, checksum: str) -> bool:
    """Whether a gate was about the very version that is on its way."""
    key = asked.known.state.revision.key if asked.known.state.revision else ""
    if not key or gate.subject.expected.revision != key:
        return False
    return gate.subject.token == key or gate.subject.token.partition("@")[0] == f"{key}.{checksum}"


def _question(asked: _Asked) -> Question:
    state, place = asked.known.state, asked.known.place
    version = (state.revision.version if state.revision else "") or "the new version"
    weight = state.weight.wanted if state.weight else 0
    said = {
        "confirm-rollout": f"May {version} begin in {place.environment}?",
        "confirm-traffic-increase": f"May {version} get more than {weight} % of the traffic?",
        "confirm-promotion": f"May {version} take all the traffic in {place.environment}?",
    }[asked.type]
    subject = Subject(
        place.service,
        place.environment,
        said,
        _version(state.stable),
        _version(state.revision),
        workload=asked.known.key,
        expected=_expected(state),
        then="Flagger gets its yes when it asks next, within its analysis interval.",
        else_="Flagger rolls it back when it asks next, if it is on its way; else it waits.",
        stands=f"Flagger asks: {asked.type}",
        team=place.team,
        asker="flagger",
        token=asked.mark,
    )
    return Question(f"flagger|{asked.known.key}|{asked.type}|{asked.mark}", Origin.FLAGGER, subject)


def _mark(state: RolloutState, kind: str, hook: _Hook) -> str:
    """What tells one question of a type from the next. At confirm-rollout the checksum is still that of the version
    before, so the target's own template hash does it."""
    key = state.revision.key if state.revision else ""
    weight = f"@{state.weight.wanted}" if kind == "confirm-traffic-increase" and state.weight else ""
    return key if kind == "confirm-rollout" else f"{key}.{hook.checksum}{weight}"


def _expected(state: RolloutState) -> Expected:
    new, old = state.revision, state.stable
    return Expected(revision=new.key if new else "", stable=old.key if old else "")


def _version(revision: Revision | None) -> Version:
    return Version(revision.version, revision.images) if revision else Version()
