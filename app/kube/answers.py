"""What an API server answers, read: bodies within their limits, statuses as typed errors, access reviews."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import msgspec

from ..domain.names import cut
from ..domain.refusals import (
    Absent,
    ClusterError,
    Conflict,
    Denied,
    Failed,
    Gone,
    Invalid,
    Oversized,
    Throttled,
    Unauthorized,
)


class Details(msgspec.Struct, rename="camel"):
    """The part of a Status's details that is read."""

    retry_after_seconds: int | None = None


class Status(msgspec.Struct, rename="camel"):
    """A Kubernetes Status: body of an error, or object of a watch's ERROR event."""

    code: int | None = None
    reason: str | None = None
    message: str | None = None
    details: Details | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """Answer to an access review, with the server's reason."""

    allowed: bool
    reason: str = ""


def failure(doing: str, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> ClusterError:
    """The error for an HTTP status (or a Status code) met while `doing` ("list pods in shop")."""
    try:
        said = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = Status(message=body[:500].decode("utf-8", "replace").strip())
    why = cut(said.message or said.reason or f"HTTP {status}")
    wait = _seconds((headers or {}).get("Retry-After"))
    if wait is None and said.details and said.details.retry_after_seconds:
        wait = float(said.details.retry_after_seconds)
    if status == 401:
        return Unauthorized(
            f"Could not {doing}: not signed in", why, "Check the token or certificate Shipboard uses"
        )
    if status == 403:
        return Denied(f"Not permitted to {doing}", why, "Grant it; `shipboard check` prints the rule")
    if status == 404:
        return Absent(f"Could not {doing}: not found", why)
    if status == 409:
        return Conflict(f"Could not {doing}: it has changed", why)
    if status == 422:
        return Invalid(f"Could not {doing}: the server will not have it so", why)
    if status == 410:
        return Gone(f"Could not {doing}: the version asked for is too old", why)
    if status == 429 or wait is not None:
        return Throttled(
            f"Could not {doing}: the server is busy", why, min(wait if wait is not None else 1.0, 120.0)
        )
    return Failed(f"Could not {doing}: the server answered {status}", why)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isascii() and header.isdigit() else None


async def read(response: aiohttp.ClientResponse, most: int, doing: str) -> bytes:
    """The body of an answer. Raises Oversized beyond `most` bytes."""
    parts, size = [], 0
    while chunk := await response.content.readany():
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            response.close()
            raise Oversized(f"Could not {doing}", f"the answer is larger than {most >> 10} KiB")
    return b"".join(parts)


def reason(error: Exception) -> str:
    """Why a connection failed, in words without addresses."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number, said = error.os_error.errno, error.os_error.strerror
        # asyncio's own text names an address and not the reason; a resolver's numbers are not the system's
        why = os.strerror(number) if number and number in errno.errorcode else said
        return f"cannot connect: {why or error.os_error}"
    return f"{type(error).__name__}: {error}"
