"""Signed webhooks, as Standard Webhooks say: an id that stays the same at every try, the time, and a keyed hash of
both and of the body. And CDEvents, for gates that were decided.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app.domain.notices import Notice, NoticeKind
from app.domain.refusals import Misconfigured

from ..cdevents_made import gate_decided
from ..hooks.verify import whsec
from ..outbound import Outbound
from .port import Message

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Webhook:
    """One receiver, whose `secret` ("whsec_" and base64) it knows too."""

    api: Outbound
    secret: str
    sort: str = "webhook"

    async def send(self, message: Message) -> str:
        """Post it. Raises ClusterError."""
        content = _encode(body(message))
        await self.api.ask(
            "POST", self.api.base, signed(self.secret, message.id, message.at, content), content
        )
        return ""

    async def close(self) -> None:
        """Let go of its connections."""
        await self.api.close()


def body(message: Message) -> dict[str, Any]:
    """What is posted: `type` ("gate.opened", "digest"), `timestamp`, and `data`."""
    items = [_plain(notice, message.link(notice)) for notice in message.notices]
    return {
        "type": "digest" if message.digest else message.notices[0].kind.value.replace("-", ".", 1),
        "timestamp": message.at if message.digest else message.notices[0].at,
        "data": {"title": message.title, "items": items} if message.digest else items[0],
    }


def _plain(notice: Notice, url: str) -> dict[str, Any]:
    told = {name: getattr(notice, name) for name in _TOLD if getattr(notice, name)}
    return {"kind": notice.kind, "at": notice.at, "url": url, **told}


_TOLD = (
    *("title", "text", "thread", "environment", "service", "team"),
    *("gate", "version", "decision", "by"),
)


def signed(secret: str, ident: str, at: datetime, content: bytes) -> Mapping[str, str]:
    """The headers of a signed webhook. Raises Misconfigured for what is no secret."""
    try:
        key = whsec(secret)
    except (binascii.Error, ValueError):
        todo = "Make one: echo whsec_$(openssl rand -base64 32)"
        raise Misconfigured(
            "The webhook was not signed", "Its secret is not whsec_ and base64", todo
        ) from None
    moment = str(int(at.timestamp()))
    made = hmac.new(key, f"{ident}.{moment}.".encode() + content, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": ident,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }


@dataclass(slots=True)
class CdEvents:
    """A sink of CDEvents. It is told of decisions; of deployments it hears as `events` say."""

    api: Outbound
    sort: str = "cdevents"

    async def send(self, message: Message) -> str:
        """Post an event for every decision. Raises ClusterError."""
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
        for n in message.notices:
            if n.kind is NoticeKind.GATE_DECIDED:
                event = gate_decided(n.gate, n.service, n.environment, n.decision, n.by, n.at, message.base)
                await self.api.ask("POST", self.api.base, headers, event)
        return ""

    async def close(self) -> None:
        """Let go of its connections."""
        await self.api.close()
