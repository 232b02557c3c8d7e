"""Bytes into JSON, or a plain refusal: no body, however hostile, gets past here or hurts.

Refused are: text that is not UTF-8, nesting beyond a hundred levels, numbers beyond what a machine holds, lone
surrogates, NaN, and a name that is twice in one object, since two readers would differ about it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from app.sources.nesting import deeper

from .port import Refused

MAX_DEPTH = 100
FORM = "application/x-www-form-urlencoded"


def unwrapped(content_type: str, body: bytes) -> bytes:
    """The JSON text in `body`: itself, or a form's member `payload`. Raises Refused."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        return body
    try:
        found = [v for k, v in parse_qsl(body.decode("ascii"), max_num_fields=20) if k == "payload"]
        (text,) = found
        return text.encode()
    except (ValueError, UnicodeError):
        raise Refused("Its form has not one member `payload`.") from None


def decoded(text: bytes) -> Any:
    """The value that the JSON `text` holds. Raises Refused."""
    try:
        value = msgspec.json.decode(text)
        if text.count(b"{") > 1 or text.count(b'":') > 1:
            json.loads(text, object_pairs_hook=_distinct)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:120]
        raise Refused(f"The body is no JSON that is read here: {why}.") from None
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and deeper(value, MAX_DEPTH):
        raise Refused(f"The body is nested deeper than {MAX_DEPTH} levels.")
    return value


def again(text: bytes) -> Any:
    """The value of a `text` that `decoded` let in before. Raises Refused where it is no JSON after all."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The body is no JSON that is read here: {str(error)[:120]}.") from None


def _distinct(pairs: Sequence[tuple[str, Any]]) -> bool:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return True
