"""Reading a payload whose shape nobody vouches for: every answer is of the type asked for, or None.

Nothing here raises on odd input. Texts are cut and cleaned, times are aware UTC, addresses are http(s) without
user and password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.domain.names import cut

MAX_NODES = 500
"""Most items of a list that are looked at."""
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s*(Z|UTC|[+-]\d\d:?\d\d)?(?:\s*\S+)?"
)
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def at(node: Any, *path: str) -> Any:
    """What stands at `path` below `node`; None where there is nothing."""
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def node(tree: Any, *path: str) -> dict[str, Any]:
    """The object at `path`, {} where there is none."""
    found = at(tree, *path)
    return found if isinstance(found, dict) else {}


def nodes(tree: Any, *path: str) -> Iterator[dict[str, Any]]:
    """The objects of the list at `path`, the first `MAX_NODES`."""
    found = at(tree, *path)
    if isinstance(found, list):
        yield from (item for item in found[:MAX_NODES] if isinstance(item, dict))


def text(tree: Any, *path: str, limit: int = 300) -> str | None:
    """The text at `path`, in one line; None for an empty one."""
    found = at(tree, *path)
    return cut(found.strip(), limit) or None if isinstance(found, str) else None


def first_line(tree: Any, *path: str) -> str | None:
    """The first line of the text at `path`: a commit's title."""
    found = at(tree, *path)
    lines = found[:2000].strip().splitlines() if isinstance(found, str) else []
    return cut(lines[0], 200) or None if lines else None


def word(tree: Any, *path: str) -> str | None:
    """An id at `path`: a text or a whole number."""
    found = at(tree, *path)
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 1 << 63:
        return str(found)
    return text(tree, *path, limit=200)


def number(tree: Any, *path: str) -> int | None:
    """A whole number that fits a column, also written as text."""
    found = at(tree, *path)
    if isinstance(found, str) and re.fullmatch(r"[0-9]{1,9}", found):
        found = int(found)
    fits = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1 << 31
    return found if fits else None


def url(tree: Any, *path: str) -> str | None:
    """An http(s) address at `path`, without user and password."""
    found = at(tree, *path)
    if not isinstance(found, str) or len(found) > 1000 or not found.isprintable():
        return None
    try:
        parts = urlsplit(found)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return urlunsplit(parts._replace(netloc=place))


def host(address: str | None) -> str:
    """The host of an address; empty where there is none."""
    try:
        return (urlsplit(address or "").hostname or "")[:253]
    except ValueError:
        return ""


def time(tree: Any, *path: str) -> datetime | None:
    """An instant at `path`: RFC 3339 and its relatives, or seconds or milliseconds since 1970. Zero values
    ("0001-01-01…", 0) and what lies outside 1990–2100 are None."""
    found = at(tree, *path)
    try:
        if isinstance(found, int | float) and not isinstance(found, bool):
            seconds = found / 1000 if abs(found) > 1e11 else found
            parsed = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        elif isinstance(found, str) and (matched := _TIME.fullmatch(found.strip()[:60])):
            parsed = _parsed(matched)
        elif isinstance(found, str) and re.fullmatch(r"[0-9]{9,13}", found):
            return time({"at": int(found)}, "at")
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return parsed if _FIRST <= parsed < _LAST else None


def _parsed(matched: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(matched[n]) for n in range(1, 7))
    micros = int((matched[7] or "0").ljust(6, "0")[:6])
    parsed = datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    zone = matched[8]
    if zone in (None, "Z", "UTC"):
        return parsed
    sign = -1 if zone[0] == "-" else 1
    return parsed - sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
