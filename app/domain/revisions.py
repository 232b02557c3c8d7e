"""The versions of a workload, and what each of them has: pods, traffic, or a side of a switch of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a workload. `key` (uid or template hash) identifies it, empty where what would tell it cannot be
    seen; `number` is only what kubectl prints. `digests` are of the images that its pods run, which need not be what
    the tags in `images` mean today."""

    key: str
    number: int | None = None
    images: tuple[str, ...] = ()
    version: str = ""
    cause: str = ""
    created_at: datetime | None = None
    roles: tuple[str, ...] = ()  # "stable", "canary", "active", "preview", "new", "old"
    wanted: int = 0
    ready: int = 0
    available: int = 0
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """Share of traffic (or of pods, where no router sets it) on the new revision, in percent: set, and measured."""

    wanted: int
    actual: int


@dataclass(frozen=True, slots=True)
class Lane:
    """One of several Deployments that are one workload: a colour behind a Service. `live` has the traffic; `revision`
    is the key of its newest revision."""

    name: str
    live: bool
    revision: str = ""
    version: str = ""
    wanted: int = 0
    ready: int = 0
