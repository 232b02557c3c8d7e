"""What a bill of materials lists: packages, each once, at most so many; and how they are searched. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .names import cut

MAX_PACKAGES = 5_000
"""Packages of one bill that are kept; how many are left out is said."""
MAX_WORDS, MAX_SEARCH = 8, 100


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package as a bill has it: its name with its group before ("org.apache.logging/log4j-core"), its version, its
    licence (SPDX expression or name) and its package URL; empty where the bill does not say."""

    name: str
    version: str = ""
    licence: str = ""
    purl: str = ""

    @property
    def said(self) -> str:
        """What a search looks at."""
        return f"{self.name} {self.version} {self.licence} {self.purl}".lower()


def package(name: object, version: object = "", licence: object = "", purl: object = "") -> Package | None:
    """A package from texts of a bill, cut and cleaned; None without a name."""
    told = [cut(one.strip(), 300) if isinstance(one, str) else "" for one in (name, version, licence, purl)]
    return Package(told[0], told[1][:100], told[2], told[3]) if told[0] else None


def listed(found: Iterable[Package | None]) -> tuple[tuple[Package, ...], int]:
    """The different ones of `found` by name, and how many are beyond `MAX_PACKAGES`."""
    once = dict.fromkeys(one for one in found if one is not None)
    kept = sorted(list(once)[:MAX_PACKAGES], key=lambda one: (one.name.lower(), one))
    return tuple(kept), len(once) - len(kept)


def words(search: str) -> tuple[str, ...]:
    """The words of a search, in lower case, of which a package must have all. Raises ValueError that says what is
    allowed."""
    found = tuple(dict.fromkeys(search.lower().split()))
    if len(search) > MAX_SEARCH or len(found) > MAX_WORDS or not search.isprintable():
        raise ValueError(f"Search for at most {MAX_WORDS} words, {MAX_SEARCH} characters together.")
    if found and max(map(len, found)) < 2:
        raise ValueError("Search for a word of two characters or more.")
    return found
