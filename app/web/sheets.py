"""The style sheets of all pages as one file: written apart, by subject, and sent together, under a name of their hash.

A page waits for every sheet before it paints, so that one that is kept for ever is worth more than many that are asked
for anew on each page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

COMPONENTS = ("marks", "board", "frame", "workload", "delivery", "narrow", "gates", "print")
SHEETS = (
    "tokens",  # first, since it names the layers
    "reset",
    "base",
    "layout",
    *(f"components/{name}" for name in COMPONENTS),
    "states",
    "utilities",
)
"""Below css/, in the order of their cascade."""
FONT = "geist.css"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where it is found, below /static, and what it says."""

    name: str
    text: str


def vendor(static: Path) -> dict[str, str]:
    """What set-up fetched, by the name it is asked for; its files carry their hash."""
    manifest = static / "vendor/manifest.json"
    return json.loads(manifest.read_text()) if manifest.exists() else {}


def sheet(static: Path) -> Sheet:
    """All of `SHEETS`, and the font's; a directory without them (a test's) has an empty one."""
    files = [static / f"css/{name}.css" for name in SHEETS]
    told = [file.read_text() for file in files if file.exists()]
    if font := vendor(static).get(FONT):
        told.insert(1, (static / "vendor" / font).read_text().replace("url(", "url(../vendor/"))
    text = "".join(told)
    return Sheet(f"css/shipboard.{sha256(text.encode()).hexdigest()[:12]}.css", text)
