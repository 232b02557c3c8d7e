"""How looks at one thing become one thing, whatever order they come in: a join, field by field.

Webhooks are duplicated, reordered, late and replayed. So each field is kept with a mark, and of two values
the one with the greater mark stays: `join` is commutative, associative and idempotent, and every order of
the same looks gives the same thing. A field that a look does not tell takes nothing away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """How much a look weighs: first how far the thing had come (`rank`), then when its source last touched it
    (`at`, microseconds since 1970, 0 where it does not say). Never when we heard of it."""

    rank: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Marked:
    """A field's value and the mark of the look that told it."""

    mark: Mark
    value: Any


Thing = Mapping[str, Marked]
"""What is known of a thing, by field; fields nobody told are not there."""


def mark(rank: int, *times: datetime | None) -> Mark:
    """The mark of a look that names `times`: the latest of them counts."""
    return Mark(rank, max((micros(t) for t in times if t is not None), default=0))


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970."""
    since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def look(weight: Mark, fields: Mapping[str, Any]) -> Thing:
    """One look: those of `fields` that are told (not None), with its mark."""
    return {name: Marked(weight, value) for name, value in fields.items() if value is not None}


def join(left: Thing, right: Thing, earliest: frozenset[str] = frozenset()) -> Thing:
    """Both together. Of the fields named by `earliest` the smaller value stays, else the greater mark's."""
    found = dict(left)
    for name, told in right.items():
        mine = left.get(name)
        if mine is None or _outweighs(told, mine, name in earliest):
            found[name] = told
    return found


def joined(looks: Iterable[Thing], earliest: frozenset[str] = frozenset()) -> Thing:
    """All of `looks` together."""
    start: Thing = {}
    return reduce(lambda left, right: join(left, right, earliest), looks, start)


def _outweighs(told: Marked, mine: Marked, earliest: bool) -> bool:
    if earliest and told.value != mine.value:
        return bool(told.value < mine.value)
    # Two values of one mark: any fixed order will do, so long as it does not depend on who came first.
    return (told.mark, str(told.value)) > (mine.mark, str(mine.value))
