"""Server-sent events as bytes (WHATWG HTML, section 9.2): nothing that goes in can end a field or an event
early."""

from __future__ import annotations

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": beat\n\n"
"""A comment: proves to proxies and clients that the line is open, and is no event."""


def event(data: bytes, ident: str = "", name: str = "") -> bytes:
    """One event. CR and CRLF in `data` arrive as LF, as the format has it; CR, LF and NUL in `ident` and
    `name` are dropped, since a parser would end the field there or ignore it."""
    head = b""
    if clean := _field(ident):  # an empty one would make the browser forget the last
        head += b"id: " + clean + b"\n"
    if clean := _field(name):
        head += b"event: " + clean + b"\n"
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return head + b"data: " + b"\ndata: ".join(lines) + b"\n\n"


def farewell(retry_ms: int) -> bytes:
    """What a stream ends with: when to come back, in milliseconds."""
    return b"retry: %d\n\n" % retry_ms


def _field(text: str) -> bytes:
    return text.translate({0: None, 10: None, 13: None}).encode("utf-8", "replace")
