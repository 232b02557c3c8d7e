"""What a format of reports is to Shipboard: how it is told from others, and how it is read. All pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.reports import Contents

from .reading import Document, Refused

__all__ = ["Format", "Refused"]


@dataclass(frozen=True, slots=True)
class Format:
    """`looks` tells whether a document seems to be one (it may raise Refused where it cannot even be read);
    `parse` reads it, or raises Refused."""

    name: str
    looks: Callable[[Document], bool]
    parse: Callable[[Document], Contents]
