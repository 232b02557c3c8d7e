"""Nobody else's page may act for who is signed in here.

An unsafe request with ambient authority (a cookie, or none at all on an open board) must come from our own origin,
and carry the token that belongs to its session: a page cannot read the one, nor guess the other. Requests with a
bearer token need neither, since no browser adds one by itself.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import parse_qs

from fastapi import Request
from starlette.types import Message, Receive, Scope

FIELD, HEADER = "csrf", b"x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_FORM = 1 << 16
"""Longest form, in bytes, that is looked through for the token; nobody here fills in longer ones."""


def token(secret: bytes) -> str:
    """The token of the session with this secret; the secret cannot be told from it."""
    return hmac.new(secret, b"shipboard csrf 1", sha256).hexdigest()


def csrf_token(request: Request) -> str:
    """The token for a form on this request's page: hidden field `csrf`, or header X-CSRF-Token by `hx-headers`."""
    return str(request.scope.get("csrf", ""))


def foreign(scope: Scope, public_url: str) -> str:
    """Why this request does not come from a page of ours; empty when it does.

    Sec-Fetch-Site is believed first: only browsers send it, and no page can set it. It is absent on plain http, so
    Origin must do there; a browser sends one of the two with every unsafe request.
    """
    site, origin = _one(scope, b"sec-fetch-site"), _one(scope, b"origin")
    if site is None or origin is None:
        return "Its Origin or Sec-Fetch-Site is there twice."
    if site and site not in ("same-origin", "none"):
        return "It comes from another site's page."
    if origin and not (origin == "null" and site):
        return "" if origin in _own(scope, public_url) else "It comes from another site's page."
    return "" if site else "It does not say which page it comes from."


def _own(scope: Scope, public_url: str) -> frozenset[str]:
    host = _one(scope, b"host") or ""
    ours = {f"{scope.get('scheme', 'http')}://{host.lower()}"}
    if public_url and public_url.partition("://")[2] == host.lower():
        ours = {public_url}
    return frozenset(ours)


def _one(scope: Scope, name: bytes) -> str | None:
    """The header's value, "" without one, None where it is there more than once."""
    found = [value for key, value in scope["headers"] if key == name]
    return None if len(found) > 1 else found[0].decode("latin-1") if found else ""


async def given(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """The token a request carries, in its header or its form, and a `receive` that gives the body again."""
    if header := _one(scope, HEADER):
        return header, receive
    kind = (_one(scope, b"content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return "", receive
    messages: list[Message] = []
    body = b""
    while len(body) <= MAX_FORM:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    if len(body) > MAX_FORM:
        return "", again
    try:
        fields = parse_qs(body.decode("ascii", "replace"), max_num_fields=200)
    except ValueError:
        return "", again
    values = fields.get(FIELD, [])
    return (values[0] if len(values) == 1 else ""), again


def matches(secret: bytes, given: str) -> bool:
    """Whether `given` is the token of the session with this secret."""
    return hmac.compare_digest(token(secret).encode(), given.encode("utf-8", "replace"))
