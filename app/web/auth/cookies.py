"""The cookies: opaque, of 256 random bits, unreadable by scripts, bound to this host by their name over https."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe

from starlette.types import Scope

BITS = 256
_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names and attributes of our cookies; `https` is how people reach the board.

    A cookie named __Host- is taken by browsers only over https, for the whole host, and from no subdomain.
    """

    https: bool

    @property
    def session(self) -> str:
        """Of a signed-in person."""
        return self._named("session")

    @property
    def kiosk(self) -> str:
        """Of a screen."""
        return self._named("kiosk")

    @property
    def sign_in(self) -> str:
        """Of a sign-in by a provider under way."""
        return self._named("signin")

    def set(self, name: str, value: str, seconds: int | None = None) -> str:
        """A Set-Cookie line; without `seconds` the cookie ends with the browser."""
        age = "" if seconds is None else f"; Max-Age={seconds}"
        return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if self.https else ''}{age}"

    def clear(self, name: str) -> str:
        """A Set-Cookie line that removes it."""
        return self.set(name, "", 0)

    def _named(self, what: str) -> str:
        return f"__Host-shipboard-{what}" if self.https else f"shipboard-{what}"


def secret() -> str:
    """A new secret of 256 bits as 43 characters."""
    return token_urlsafe(BITS // 8)


def digest(secret: str) -> str:
    """What is stored of a secret. It has 256 bits, so a plain hash cannot be guessed backwards."""
    return sha256(secret.encode()).hexdigest()


def read(scope: Scope) -> Mapping[str, str]:
    """The request's cookies that look like ours. One that is there twice is not there: somebody put it there."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for header, line in scope["headers"]:
        if header != b"cookie":
            continue
        for part in line.decode("latin-1").split(";")[:100]:
            name, _, value = part.strip().partition("=")
            if name in found:
                twice.add(name)
            elif _VALUE.fullmatch(value):
                found[name] = value
    return {name: value for name, value in found.items() if name not in twice}
