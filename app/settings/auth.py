"""Who may come in: the `auth` part of the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.domain.grants import Grant
from app.domain.people import EVERYWHERE, Role

from . import scalars
from .reader import Many, Table
from .scalars import Scalar


class Mode(StrEnum):
    """A way to say who one is."""

    LOCAL = "local"  # names and passwords kept here
    OIDC = "oidc"  # an OpenID provider
    PROXY = "proxy"  # a proxy that has asked already
    DEMO = "demo"  # ready-made people, one click to be each; never from a file


class Secret:
    """A secret value: shown as three stars, and told only by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """An OpenID provider. `groups_claim` is where the ID token lists groups; `name` is the button's word."""

    issuer: str
    client_id: str
    secret: Secret = field(default_factory=lambda: Secret(""))
    groups_claim: str = "groups"
    scopes: tuple[str, ...] = ("openid", "profile", "email", "groups")
    name: str = "your account"


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """A proxy that is believed: the socket peers it calls from, the headers it sends, and the secret in one of them."""

    peers: tuple[IPv4Network | IPv6Network, ...]
    secret: Secret = field(default_factory=lambda: Secret(""))
    user_header: str = "x-forwarded-user"
    groups_header: str = "x-forwarded-groups"
    secret_header: str = "x-shipboard-proxy-secret"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True)
class Persona:
    """A ready-made person of the demo: name, and what they are there for."""

    subject: str
    name: str
    does: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Ways to sign in (none: nobody is asked), whether strangers may look, who has which role, and how long a session
    lasts: `idle_minutes` without a request, `hours` in any case. Acting in production takes a sign-in of the last
    `step_up_minutes` (0: any will do). `forwarded_by` are the socket peers whose
    X-Forwarded-For is believed, for telling sources of requests apart and nothing else."""

    modes: tuple[Mode, ...] = ()
    anonymous: bool = False
    grants: tuple[Grant, ...] = ()
    oidc: OidcSettings | None = None
    proxy: ProxySettings | None = None
    idle_minutes: int = 30
    hours: int = 12
    step_up_minutes: int = 15
    forwarded_by: tuple[IPv4Network | IPv6Network, ...] = ()
    personas: tuple[Persona, ...] = ()

    def as_file(self) -> dict[str, Any]:
        """In the shape of the file, without secrets."""
        shown: dict[str, Any] = {"modes": [m.value for m in self.modes if m is not Mode.DEMO]}
        if self.anonymous:
            shown["anonymous"] = "viewer"
        if self.oidc:
            o = self.oidc
            shown["oidc"] = {"issuer": o.issuer, "client_id": o.client_id, "groups_claim": o.groups_claim}
            shown["oidc"] |= {"scopes": list(o.scopes), "name": o.name}
        if self.proxy:
            p = self.proxy
            shown["proxy"] = {
                "peers": [str(peer) for peer in p.peers],
                "user_header": p.user_header,
                "groups_header": p.groups_header,
                "secret_header": p.secret_header,
            }
        if self.forwarded_by:
            shown["forwarded_by"] = [str(peer) for peer in self.forwarded_by]
        shown["roles"] = [
            {
                "role": g.role.value,
                "environment": g.environment,
                "groups": list(g.groups),
                "people": list(g.people),
            }
            for g in self.grants
        ]
        shown |= {"idle_minutes": self.idle_minutes, "hours": self.hours}
        return {**shown, "step_up_minutes": self.step_up_minutes}


def build(modes: tuple[Mode, ...] = (), **found: Any) -> AuthSettings:
    """The settings of an `auth` table. Raises ValueError."""
    if len(set(modes)) < len(modes):
        raise ValueError("names a mode twice")
    for mode in (Mode.OIDC, Mode.PROXY):
        if mode in modes and mode.value not in found:
            raise ValueError(f"has the mode {mode}, so it needs the key {mode} too")
        if mode.value in found and mode not in modes:
            raise ValueError(f"describes {mode}, but modes does not name it")
    if not modes and found:
        raise ValueError("grants something to people, but names no modes by which they say who they are")
    grants = tuple(found.pop("roles", ()))
    return AuthSettings(modes=modes, grants=grants, **found)


def grant(role: Role, environment: str = EVERYWHERE, **whom: tuple[str, ...]) -> Grant:
    """One row of `roles`. Raises ValueError."""
    if not any(whom.values()):
        raise ValueError("is granted to nobody: name groups or people")
    if role is Role.ADMIN and "*" in whom.get("people", ()):
        raise ValueError("would make everybody an admin")
    return Grant(role, environment, **whom)


def mode(text: str) -> Mode:
    """A way to sign in."""
    if text not in {Mode.LOCAL, Mode.OIDC, Mode.PROXY}:
        raise ValueError(f"{text[:40]!r} is neither local, oidc nor proxy")
    return Mode(text)


def role(text: str) -> Role:
    """A role."""
    if text not in set(Role):
        raise ValueError(f"{text[:40]!r} is none of {', '.join(Role)}")
    return Role(text)


def anonymous(text: str) -> bool:
    """What strangers are: none, or viewer."""
    if text not in {"none", "viewer"}:
        raise ValueError(f"{text[:40]!r} is neither none nor viewer")
    return text == "viewer"


def issuer(text: str) -> str:
    """An issuer's URL, exactly as it stands in its tokens; http only on this machine."""
    parts = urlsplit(text)
    near = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if (
        parts.scheme not in ({"http", "https"} if near else {"https"})
        or not parts.hostname
        or "@" in parts.netloc
    ):
        raise ValueError(f"{text[:80]!r} is not an https:// address")
    if parts.query or parts.fragment:
        raise ValueError("has something after its path")
    return text


def peer(text: str) -> IPv4Network | IPv6Network:
    """An address or a small network that the proxy calls from. Large ones are refused: they are never exact."""
    try:
        found = ip_network(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is neither an address nor a network") from None
    if found.prefixlen < (16 if found.version == 4 else 48):
        raise ValueError(f"{text[:60]!r} is too wide: name the proxy's own addresses")
    return found


def header(text: str) -> str:
    """A header's name, lower case."""
    name = text.lower()
    if not name.replace("-", "").isalnum() or not name.isascii() or len(name) > 60:
        raise ValueError(f"{text[:60]!r} is no header name of letters, digits and hyphens")
    if name in {"host", "cookie", "authorization", "origin", "accept", "content-type", "connection"}:
        raise ValueError(f"{text!r} is every request's own header")
    return name


_PERSON = scalars.text_like(
    r"\*|(local|oidc|proxy):[\x21-\x7e]{1,255}", "* or local:, oidc: or proxy: with a name", "local:vera"
)
_GROUP = scalars.text_like(r"[^\x00-\x1f]{1,200}", "a group", "deployers")
_HEADER = Scalar(header, "X-Forwarded-User")
_FILE = Scalar(scalars.path, "/run/secrets/shipboard")


def _oidc(secret_file: Path | None = None, **found: Any) -> OidcSettings:
    return OidcSettings(**found, secret=_of_file(secret_file))


def _proxy(secret_file: Path | None = None, **found: Any) -> ProxySettings:
    if not found["peers"]:
        raise ValueError("names no peers")
    return ProxySettings(**found, secret=_of_file(secret_file))


def _of_file(file: Path | None) -> Secret:
    """The secret in `file`; relative ones are found from where Shipboard was started."""
    if file is None:
        return Secret("")
    try:
        return Secret(scalars.secret(file.read_text().strip()))
    except (OSError, UnicodeError) as error:
        raise ValueError(
            f"names {file}, which cannot be read: {getattr(error, 'strerror', 'not text')}"
        ) from None


SHAPE = Table(
    {
        "modes": Many(Scalar(mode, "local"), "modes: [oidc, local]"),
        "anonymous": Scalar(anonymous, "anonymous: viewer"),
        "idle_minutes": Scalar(scalars.number(5, 1440), "idle_minutes: 30", frozenset({"int"})),
        "hours": Scalar(scalars.number(1, 168), "hours: 12", frozenset({"int"})),
        "step_up_minutes": Scalar(scalars.number(0, 1440), "step_up_minutes: 15", frozenset({"int"})),
        "forwarded_by": Many(Scalar(peer, "10.0.0.7"), "forwarded_by: [10.0.0.7]"),
        "oidc": Table(
            {
                "issuer": Scalar(issuer, "issuer: https://id.example.org/realms/ship"),
                "client_id": scalars.text_like(r"[\x21-\x7e]{1,200}", "a client id", "shipboard"),
                "secret_file": _FILE,
                "groups_claim": scalars.text_like(r"[\x21-\x7e]{1,100}", "a claim's name", "groups"),
                "scopes": Many(
                    scalars.text_like(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}", "a scope", "openid"),
                    "[openid, groups]",
                ),
                "name": scalars.text_like(
                    r"[^\x00-\x1f]{1,60}", "a name of at most 60 characters", "Example ID"
                ),
            },
            "oidc: {issuer: 'https://id.example.org', client_id: shipboard}",
            required=("issuer", "client_id"),
            build=_oidc,
        ),
        "proxy": Table(
            {
                "peers": Many(Scalar(peer, "10.0.0.7"), "peers: [10.0.0.7]"),
                "secret_file": _FILE,
                "user_header": _HEADER,
                "groups_header": _HEADER,
                "secret_header": _HEADER,
            },
            "proxy: {peers: [10.0.0.7]}",
            required=("peers",),
            build=_proxy,
        ),
        "roles": Many(
            Table(
                {
                    "role": Scalar(role, "role: operator"),
                    "environment": scalars.text_like(
                        r"\*|[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}", "an environment or *", "staging"
                    ),
                    "groups": Many(_GROUP, "groups: [deployers]"),
                    "people": Many(_PERSON, "people: ['local:vera']"),
                },
                "- {role: operator, environment: staging, groups: [deployers]}",
                required=("role",),
                build=grant,
            ),
            "roles: [{role: viewer, people: ['*']}]",
        ),
    },
    "auth: {modes: [local]}",
    build=build,
)
