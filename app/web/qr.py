"""A path of this board as a QR code for a phone's camera: inline SVG, no style attributes, so it runs under the
page's policy. Colours come from the style sheet."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import groupby

import segno
from markupsafe import Markup

QUIET = 4
"""Modules of quiet zone on each side (ISO/IEC 18004)."""
LONGEST = 300
"""Longest address drawn, in characters: with more of them the modules get too small to be read from a wall."""
_SVG = Markup(
    '<svg class="qr" viewBox="0 0 {size} {size}" role="img" aria-label="QR code">'
    '<rect width="{size}" height="{size}"/><path d="{path}"/></svg>'
)


def scanner(base: str) -> Callable[[str], Markup]:
    """What draws a path below `base` as SVG. Without a base, which has to be an address that other machines
    know, or for an address that is too long, there is nothing to scan and the text is empty."""
    return lambda path: drawn(f"{base.rstrip('/')}{path}") if base else Markup()


@lru_cache(2000)
def drawn(url: str) -> Markup:
    """`url` as SVG; empty when it is too long. The least error correction: a screen is neither dirty nor torn, and
    fewer modules are larger ones."""
    if len(url) > LONGEST:
        return Markup()
    matrix = segno.make(url, error="l", micro=False, boost_error=False).matrix
    runs: list[str] = []
    for y, line in enumerate(matrix):
        x = 0
        for dark, modules in groupby(line):
            width = len(list(modules))
            if dark:
                runs.append(f"M{x + QUIET} {y + QUIET}h{width}v1h-{width}z")
            x += width
    size = len(matrix) + 2 * QUIET
    return _SVG.format(size=size, path="".join(runs))
