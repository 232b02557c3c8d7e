"""A path of this board as a QR code for a phone's camera: what the macro `code` draws, in the sheet's colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import segno

QUIET = 4
"""Modules of quiet zone on each side (ISO/IEC 18004)."""
LONGEST = 300
"""Longest address drawn, in characters: with more of them the modules get too small to be read from a wall."""


@dataclass(frozen=True, slots=True)
class Code:
    """A symbol in a square of `size` modules, its quiet zone included; `path` is what is dark, as SVG path data."""

    size: int
    path: str


def scanner(base: str) -> Callable[[str], Code | None]:
    """What makes a code of a path below `base`. Without a base, which has to be an address that other machines
    know, or for an address that is too long, there is nothing to scan: None."""
    return lambda path: code(f"{base.rstrip('/')}{path}") if base else None


@lru_cache(2000)
def code(url: str) -> Code | None:
    """`url` as a symbol, None when it is too long. The least error correction: a screen is neither dirty nor torn,
    and fewer modules are larger ones."""
    if len(url) > LONGEST:
        return None
    matrix = segno.make(url, error="l", micro=False, boost_error=False).matrix
    runs: list[str] = []
    for y, line in enumerate(matrix):
        x = 0
        for dark, modules in groupby(line):
            width = len(list(modules))
            if dark:
                runs.append(f"M{x + QUIET} {y + QUIET}h{width}v1h-{width}z")
            x += width
    return Code(len(matrix) + 2 * QUIET, "".join(runs))
