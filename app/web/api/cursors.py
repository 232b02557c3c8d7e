"""Cursors: where a list goes on, as opaque text. What was not issued for this list is refused."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import TypeVar

import msgspec

MAX_LENGTH = 2000
T = TypeVar("T")


def encode(resource: str, position: object) -> str:
    """`position` in the list `resource` as text for a URL."""
    body = msgspec.json.encode(position)
    return urlsafe_b64encode(_mark(resource, body) + body).decode().rstrip("=")


def decode(resource: str, text: str, decoder: msgspec.json.Decoder[T]) -> T:
    """The position that `text` holds. Raises ValueError unless `encode` made it for the same list."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        if len(text) <= MAX_LENGTH and raw[:6] == _mark(resource, raw[6:]):
            return decoder.decode(raw[6:])
    except (binascii.Error, msgspec.DecodeError) as error:
        raise ValueError("garbled cursor") from error
    raise ValueError("cursor of another list")


def _mark(resource: str, body: bytes) -> bytes:
    return blake2b(body, digest_size=6, person=resource.encode()[:16]).digest()
