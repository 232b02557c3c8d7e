"""What a single value may be.

Each check takes the text as written and answers the value, or raises ValueError saying what is wrong in words
that follow the key's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[str], Any]

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:/@-]{0,98}[A-Za-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: its check, the YAML tags it may have, and an example line."""

    check: Check
    example: str
    tags: frozenset[str] = frozenset({"str"})


def number(low: int, high: int) -> Check:
    """A whole number within bounds."""

    def check(text: str) -> int:
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text) or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return check


def seconds(text: str) -> float:
    """Seconds from 0 to 9, so that with a drain of the rest the process still ends within 12."""
    if not re.fullmatch(r"[0-9](\.[0-9]{1,3})?", text):
        raise ValueError(f"{text!r} is not a number of seconds from 0 to 9")
    return float(text)


def boolean(text: str) -> bool:
    """YAML's words for yes and no."""
    if text.lower() not in {"true", "false", "yes", "no", "on", "off"}:
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() in {"true", "yes", "on"}


def long_secret(text: str) -> str:
    """A secret of at least 32 characters. What is wrong with it is said without it."""
    if not 32 <= len(text.strip()) <= 1000:
        raise ValueError("is shorter than 32 characters, or very long")
    return text.strip()


def matching(pattern: re.Pattern[str], what: str) -> Check:
    """Text of a given form; `what` names the form."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text[:80]!r} is not {what}")
        return text

    return check


name = matching(_NAME, "a name (letters, digits and ._:/@- , at most 100)")
namespace = matching(_NAMESPACE, "a namespace (lower-case letters, digits and hyphens, at most 63)")
label = matching(_LABEL, "a label key")
host = matching(_HOST, "a host name or an address")
glob = matching(
    re.compile(r"[A-Za-z0-9._:/@*?\[\]!-]{1,100}"), "a name or a glob of letters, digits and ._:/@-*?[]!"
)


def path(text: str) -> Path:
    """A file, with ~ for the home directory; relative ones are resolved by the caller."""
    if not text.strip() or "\0" in text:
        raise ValueError("is empty")
    return Path(text).expanduser()


def log_format(text: str) -> str:
    """One of the two ways to write a log."""
    if text not in {"json", "text"}:
        raise ValueError(f"{text[:80]!r} is neither json nor text")
    return text


def public_url(text: str) -> str:
    """Scheme, host and port people use to reach the board; no path, since pages live at the root."""
    parts = urlsplit(text)
    try:
        fine = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text[:80]!r} is not http:// or https:// with a host, and nothing after it")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def database(text: str) -> str:
    """A database URL with our driver; a path means a SQLite file. Errors never hold the password."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        file = path(text).absolute()
        return f"sqlite+aiosqlite:///{file}"
    if scheme not in _DRIVERS:
        raise ValueError(f"{scheme[:40]!r} is not a database we speak: SQLite or PostgreSQL")
    if scheme.startswith("sqlite"):
        file_part = rest.removeprefix("/").partition("?")[0]
        if not rest.startswith("/") or file_part in {"", ":memory:"}:
            raise ValueError("names no file; history in memory would be lost at every restart")
        return f"{_DRIVERS[scheme]}:///{path(file_part).absolute()}"
    if not urlsplit(text).path.strip("/"):
        raise ValueError("names no database after the host")
    return f"{_DRIVERS[scheme]}://{rest}"


def secret(text: str) -> str:
    """A secret: printable, not empty. Errors never hold it."""
    if not 1 <= len(text) <= 1000 or not text.isprintable():
        raise ValueError("holds no secret: 1 to 1,000 printable characters")
    return text


def text_like(pattern: str, what: str, example: str) -> Scalar:
    """Text that matches `pattern`; `what` it is called where it does not."""
    return Scalar(matching(re.compile(pattern), what), example)
