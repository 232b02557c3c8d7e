"""Where a secret is, in place of the secret: a variable or a file; and what stands beside it in a file, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import scalars
from .reader import Table
from .scalars import Scalar

MAX_SECRET = 4096


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret is: in the variable `env`, or in `file` (without the line end)."""

    env: str = ""
    file: Path | None = None

    def read(self, environ: Mapping[str, str]) -> str:
        """The secret; empty when it is not there."""
        if self.env:
            return environ.get(self.env, "").strip()
        try:
            assert self.file is not None
            return self.file.read_text("utf-8")[:MAX_SECRET].strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def __str__(self) -> str:
        return self.env or str(self.file)


def placed(place: SecretPlace, base: Path) -> SecretPlace:
    """`place` with its file found from `base`."""
    return replace(place, file=base / place.file) if place.file else place


def shown(place: SecretPlace) -> dict[str, str]:
    """In the shape of the file."""
    return {"env": place.env} if place.env else {"file": str(place.file)}


def _secret(**found: Any) -> SecretPlace:
    if len(found) != 1:
        raise ValueError("names either env or file")
    return SecretPlace(**found)


def address(text: str) -> str:
    """The http(s) address of an API. Raises ValueError."""
    parts = urlsplit(text)
    try:
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text[:80]!r} is not an http(s) address without user and query")
    return text.rstrip("/")


WORDS = scalars.text_like(r"[^\x00-\x1f]{1,200}", "a glob", "'*nightly*'")
PLACE = Table(
    {
        "env": scalars.text_like(r"[A-Za-z_][A-Za-z0-9_]{0,99}", "a variable", "env: CI_SECRET"),
        "file": Scalar(scalars.path, "file: /run/secrets/ci"),
    },
    "{env: CI_SECRET}",
    build=_secret,
)
