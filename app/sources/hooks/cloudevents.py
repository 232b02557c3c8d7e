"""CloudEvents 1.0 over HTTP, received: binary, structured and batched; and made, for what Shipboard tells others.

The four required attributes must be there and are never made up: without `id` and `source` a duplicate could
not be told. `null` for an optional attribute is as good as its absence.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec

from . import tree
from .port import Delivery, Refused

KEPT = ("content-type", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-subject")
MAX_BATCH = 100


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event; `data` is what its JSON holds, None without any."""

    id: str
    source: str
    type: str
    time: datetime | None
    subject: str
    data: Any


def received(delivery: Delivery) -> tuple[CloudEvent, ...]:
    """The events of a delivery. Raises Refused when it holds none."""
    kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/cloudevents-batch+json":
        if not isinstance(delivery.body, list) or len(delivery.body) > MAX_BATCH:
            raise Refused(f"A batch is a JSON array of at most {MAX_BATCH} events.")
        return tuple(_structured(each) for each in delivery.body)
    if kind == "application/cloudevents+json":
        return (_structured(delivery.body),)
    if "ce-specversion" in delivery.headers:
        attributes = {
            name.removeprefix("ce-"): unquote(value)
            for name, value in delivery.headers.items()
            if name.startswith("ce-")
        }
        return (_event(attributes, delivery.body),)
    raise Refused("It is no CloudEvent: neither ce-specversion nor application/cloudevents+json.")


def _structured(tree_: Any) -> CloudEvent:
    if not isinstance(tree_, dict):
        raise Refused("A CloudEvent is a JSON object.")
    data = tree_.get("data")
    if data is None and isinstance(encoded := tree_.get("data_base64"), str):
        try:
            data = msgspec.json.decode(base64.b64decode(encoded, validate=True))
        except (binascii.Error, ValueError, RecursionError):
            raise Refused("Its data_base64 holds no JSON.") from None
    return _event(tree_, data)


def _event(attributes: Mapping[str, Any], data: Any) -> CloudEvent:
    if tree.text(attributes, "specversion") not in ("1.0", "0.3"):
        raise Refused("Its specversion is not 1.0.")
    required = [tree.text(attributes, name) for name in ("id", "source", "type")]
    if not all(required):
        raise Refused("It has no id, source or type.")
    ident, source, kind = (str(each) for each in required)
    return CloudEvent(
        ident, source, kind, tree.time(attributes, "time"), tree.text(attributes, "subject") or "", data
    )


def key(headers: Mapping[str, str], body: Any) -> str:
    """The delivery's id: source and id; that of a batch is none."""
    of: Mapping[str, Any] = {name.removeprefix("ce-"): value for name, value in headers.items()}
    if "ce-id" not in headers:
        of = body if isinstance(body, dict) else {}
    source, ident = tree.text(of, "source"), tree.text(of, "id")
    return f"{source} {ident}" if source and ident else ""


def structured(
    kind: str, *, ident: str, source: str, subject: str, at: datetime, data: Mapping[str, Any]
) -> bytes:
    """One event in structured mode, as `application/cloudevents+json`."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": ident,
            "source": source,
            "type": kind,
            "subject": subject,
            "time": at,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
