"""People that a proxy has asked already. It is believed only from its own addresses and with its secret.

The one thing looked at is the socket's peer: nothing a client sends can say where a request comes from. A header that
is there twice, or under a name that some server would read as the same, refuses the whole request: somebody is trying.
"""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope

from app.settings import ProxySettings

MAX_NAME, MAX_GROUPS = 200, 200


class Distrusted(Exception):
    """The request carries headers of the proxy, but not as the proxy would send them."""


def asked_by(scope: Scope, settings: ProxySettings) -> tuple[str, frozenset[str]] | None:
    """The user and the groups that the proxy tells; None when it does not speak. Raises Distrusted."""
    names = (settings.user_header, settings.groups_header, settings.secret_header)
    found: dict[str, list[bytes]] = {name: [] for name in names}
    alike = False
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1")
        if name in found:
            found[name].append(value)
        elif _folded(name) in {_folded(known) for known in names}:
            alike = True
    user, groups, secret = (found[name] for name in names)
    if not user and not secret:
        return None
    if alike or len(user) != 1 or len(groups) > 1 or len(secret) != 1 or not _is_peer(scope, settings):
        raise Distrusted
    if not hmac.compare_digest(secret[0], settings.secret.reveal().encode()):
        raise Distrusted
    try:
        name = user[0].decode("ascii")
        listed = groups[0].decode("utf-8") if groups else ""
    except UnicodeDecodeError:
        raise Distrusted from None
    if (
        not 0 < len(name) <= MAX_NAME
        or not name.isprintable()
        or name != name.strip()
        or set(name) & set(",;|")
    ):
        raise Distrusted
    parts = [part.strip() for part in listed.split(",")]
    return name, frozenset(part for part in parts[:MAX_GROUPS] if 0 < len(part) <= MAX_NAME)


def _folded(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _is_peer(scope: Scope, settings: ProxySettings) -> bool:
    try:
        address = ip_address(str((scope.get("client") or ("",))[0]))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in peers for peers in settings.peers)
