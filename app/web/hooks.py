"""`POST /hooks/{provider}/{hook_id}[/{secret}]`: a webhook is capped, proven, decoded and on disk before it gets 202.

Never 5xx for what is in it: 404 for a hook that is not there or is off, 413, 408, 401 (the same whatever is wrong
with the proof), 400. 503 with Retry-After only while the database takes nothing. The same door is open at
`POST /api/v1/pipelines` for senders that are none of the providers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.policy import Permission
from app.settings import HookSettings
from app.sources.hooked import Hook, placed
from app.sources.hooks import PROVIDERS, Delivery, Provider, Refused
from app.sources.hooks.payload import decoded, unwrapped
from app.sources.hooks.verify import Signed, proven
from app.sources.hooks.verify import known as one_of
from app.store.inbox import Inbox, Letter

from .answers import refusal
from .auth import needs, remember
from .bodies import Intake

MAX_BODY = 4 << 20
"""Largest webhook. GitHub's of 25 MB are pushes of thousands of commits; the poll has what they tell."""
MAX_UNPROVEN = 64 << 20
"""Bytes of bodies that may be in reception at one time, all senders together."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive; senders give up after as long."""
LARGE = 64 << 10
"""Bodies from this size up are decoded in a thread."""


@dataclass(slots=True)
class Reception:
    """Where webhooks are taken in: `hooks` by id, and what all have in common."""

    inbox: Inbox
    hooks: Mapping[str, HookSettings]
    intake: Intake

    async def take(
        self, request: Request, provider: str, ident: str, strict: bool = False, secret: str | None = None
    ) -> Response:
        """Take one webhook in. `strict` reads it at once and refuses (422) what says nothing; `secret` is what ended
        its address. Raises Refusal."""
        hook, known = self.hooks.get(ident), PROVIDERS.get(provider)
        there = hook and known and hook.provider == provider and hook.secrets
        if hook is None or known is None or not there or (secret is not None and not known.in_path):
            what, why = "No such hook", "There is no hook of this name here, or it has no secret and is off."
            raise refusal(request, 404, what, why, "Compare the address with `hooks` in the settings.")
        body = await self.intake.received(request)
        now = datetime.now(UTC)
        headers = _headers(request)
        kind = ", ".join(headers.get("content-type", ()))
        try:
            text, wrong = unwrapped(kind, body), None
        except Refused as refused:
            text, wrong = body, refused
        if secret is None:
            fine = proven(known.schemes, Signed(headers, body, text), hook.secrets, now)
        else:
            fine = one_of(secret, hook.secrets)
        if not fine:
            what, why = "Not proven", "The webhook is not signed with a secret of this hook."
            await remember(request.scope, f"401 {why}")
            raise refusal(request, 401, what, why, "Compare the secrets on both sides, and the clocks.")
        try:
            if wrong:
                raise wrong
            tree = decoded(text) if len(text) < LARGE else await asyncio.to_thread(decoded, text)
        except Refused as refused:
            raise refusal(request, 400, "Unreadable", str(refused), "Send JSON.") from None
        letter = _letter(hook, known, headers, tree, body, now)
        if strict:
            _read_now(request, known, letter, tree, hook)
        await self.inbox.put(letter)
        return Response(b'{"status":"taken"}', 202, {"cache-control": "no-store"}, "application/json")


_REPORT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["repository", "run", "status"]},
                "example": {
                    "repository": "github.com/acme/cart",
                    "run": "812",
                    "status": "failure",
                    "pipeline": "nightly",
                    "sha": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
                    "branch": "main",
                    "url": "https://ci.example.org/812",
                    "started_at": "2026-11-25T09:30:00Z",
                    "finished_at": "2026-11-25T09:36:12Z",
                    "jobs": [{"name": "unit tests", "status": "failure"}],
                },
            }
        },
    },
    "responses": {
        "202": {"description": "It is on disk, and is worked off at once."},
        "400": {"description": "The body is no JSON that is read here."},
        "401": {"description": "It is not signed with a secret of the hook."},
        "404": {"description": "Shipboard-Hook names no hook that is on."},
        "413": {"description": "The body is larger than 4 MiB."},
        "422": {"description": "It says nothing that is kept; `detail` tells what is wrong with it."},
    },
}


def routes(inbox: Inbox, hooks: Iterable[HookSettings], *, body_seconds: float = BODY_SECONDS) -> APIRouter:
    """The two doors for webhooks."""
    intake = Intake(MAX_BODY, MAX_UNPROVEN, body_seconds, "webhook", "Send less, or rely on polling.")
    reception = Reception(inbox, {hook.id: hook for hook in hooks}, intake)
    router = APIRouter(tags=["hooks"], dependencies=[needs(Permission.OPEN)])

    @router.post(
        "/hooks/{provider}/{hook_id}", status_code=202, max_body_size=MAX_BODY + 1, include_in_schema=False
    )
    async def hook(request: Request) -> Response:
        """A webhook of a CI provider, signed the way it signs."""
        of = request.path_params
        return await reception.take(request, of["provider"], of["hook_id"])

    @router.post(
        "/hooks/{provider}/{hook_id}/{secret}",
        status_code=202,
        max_body_size=MAX_BODY + 1,
        include_in_schema=False,
    )
    async def hook_with_secret(request: Request) -> Response:
        """A webhook of a provider whose senders can set no header; the address is redacted wherever it is told."""
        of = request.path_params
        return await reception.take(request, of["provider"], of["hook_id"], secret=of["secret"])

    @router.post(
        "/api/v1/pipelines",
        status_code=202,
        max_body_size=MAX_BODY + 1,
        tags=["report"],
        openapi_extra=_REPORT,
    )
    async def report(request: Request) -> Response:
        """A run, its jobs, artifacts and deployment, from any CI, signed as Standard Webhooks are; the header
        `Shipboard-Hook` names the hook (of provider `generic`) whose secret signs. `shipboard report` does it."""
        named = request.headers.get("shipboard-hook", "")
        return await reception.take(request, "generic", named, strict=True)

    return router


def _headers(request: Request) -> dict[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.headers.raw[:200]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return dict(found)


def _letter(
    hook: HookSettings,
    provider: Provider,
    headers: Mapping[str, Sequence[str]],
    tree: Any,
    body: bytes,
    now: datetime,
) -> Letter:
    one = {name: lines[0] for name, lines in headers.items()}
    kept = {name: one[name] for name in ("content-type", *provider.kept) if name in one}

    def first(names: Iterable[str]) -> str:
        return next((value for name in names if (value := one.get(name, ""))), "")

    key = first(provider.delivery) or provider.key(one, tree)
    return Letter(hook.id, provider.name, first(provider.event), key, kept, body, now)


def _read_now(request: Request, provider: Provider, letter: Letter, tree: Any, hook: HookSettings) -> None:
    """Refuse at once what could only be set aside later."""
    as_read = Hook(hook.id, hook.provider, hook.repositories)
    try:
        delivery = Delivery(letter.event, tree, letter.headers, letter.received_at, as_read.only)
        placed(provider.read(delivery).facts, as_read)
    except Refused as refused:
        raise refusal(request, 422, "Not a report", str(refused), "See the API's documentation.") from None
