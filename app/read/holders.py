"""Which running images contain a package, where they run, and of which nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.names import ImageRef
from app.domain.packages import Package, words

from . import packages
from .artifacts import RunningLine
from .board import Clause, Sentence
from .fleet import Fleet
from .image import digests, running_lines
from .packages import Held
from .words import number

FEW = 10
"""Packages told of one image."""
NO_DIGEST = "Its pods do not tell which bytes they run."
NO_BILL = "CI uploaded no bill of materials of it that lists packages."
CUT_BILL = "Its bill lists more packages than are kept, and none of those is it."


@dataclass(frozen=True, slots=True)
class Holder:
    """A running image that contains what was searched: `found` packages, the first of them in `packages`; `running` is
    where it runs now."""

    digest: str
    image: str
    found: int
    packages: tuple[Package, ...]
    running: tuple[RunningLine, ...]


@dataclass(frozen=True, slots=True)
class Untold:
    """A running image of which nobody can tell, for `why`; without a digest where that is not known."""

    digest: str
    image: str
    why: str
    running: tuple[RunningLine, ...]


@dataclass(frozen=True, slots=True)
class Holders:
    """The answer: of `images` that run, `holders` contain the package searched for (empty: none was), and of `untold`
    nobody can tell; all others do not contain it, as their bills say."""

    package: str
    images: int
    holders: tuple[Holder, ...]
    untold: tuple[Untold, ...]
    sentence: Sentence


@dataclass(slots=True)
class _Image:
    name: str
    running: list[RunningLine]


async def holders(connection: AsyncConnection, fleet: Fleet, search: str, now: datetime) -> Holders:
    """Who contains what `search` names. Raises LookupError when too much is called so, ValueError as `words` does."""
    wanted = words(search)
    images, unseen = _images(fleet, now)
    nameless = [digest for digest, image in images.items() if not image.name]
    for digest, name in (await packages.tags(connection, nameless)).items():
        images[digest].name = name
    bills = await packages.bills(connection, images)
    ids = await packages.named(connection, wanted) if wanted else frozenset[int]()
    hits = {digest: ids & bill.ids for digest, bill in bills.items() if ids & bill.ids}
    few = {id_ for some in hits.values() for id_ in sorted(some)[:FEW]}
    named = await packages.by_id(connection, few)
    found = tuple(
        Holder(
            digest,
            image.name,
            len(hits[digest]),
            tuple(sorted(named[id_] for id_ in sorted(hits[digest])[:FEW] if id_ in named)),
            tuple(image.running),
        )
        for digest, image in images.items()
        if digest in hits
    )
    untold = [
        Untold(digest, image.name, why, tuple(image.running))
        for digest, image in images.items()
        if digest not in hits and (why := _why(bills.get(digest)))
    ]
    untold += [Untold("", image.name, NO_DIGEST, tuple(image.running)) for image in unseen.values()]
    total = len(images) + len(unseen)
    return Holders(search, total, found, tuple(untold), _sentence(search, total, found, len(untold)))


def _why(bill: Held | None) -> str:
    if bill is None:
        return NO_BILL
    return CUT_BILL if bill.left_out else ""


def _images(fleet: Fleet, now: datetime) -> tuple[Mapping[str, _Image], Mapping[str, _Image]]:
    """What runs, by digest; and what runs of which no digest is known, by its name."""
    images: dict[str, _Image] = {}
    unseen: dict[str, _Image] = {}
    for row, line in running_lines(fleet, list(fleet.workloads.values()), now):
        named = row.state.revision.images if row.state.revision else ()
        known = digests(row)
        name = named[0] if len(named) == 1 and len(known) < 2 else ""
        for digest in known:
            image = images.setdefault(digest, _Image(name, []))
            image.name = image.name or name
            image.running.append(line)
        for ref in named if not known else ():
            unseen.setdefault(ref, _Image(ref, [])).running.append(line)
    for image in images.values():
        asked = ImageRef.parse(image.name)
        image.name = f"{asked.repository}:{asked.tag}" if asked.tag else asked.repository
    return images, unseen


def _sentence(search: str, total: int, found: Sequence[Holder], untold: int) -> Sentence:
    where = list(dict.fromkeys(line.environment for one in found for line in one.running))
    if not total:
        said = "Nothing that is seen runs"
    elif not search:
        told = total - untold
        said = f"Of {total:,} images that run, {number(told)} {'has' if told == 1 else 'have'} a bill of materials"
    elif found:
        places = where[0] if len(where) == 1 else f"{', '.join(where[:-1])} and {where[-1]}"
        many = (
            "One running image contains"
            if len(found) == 1
            else f"{number(len(found)).capitalize()} running images contain"
        )
        said = f"{many} it, in {places}"
    elif untold:
        said = (
            f"None of the {number(total - untold)} running images that tell contains it"
            if total > untold
            else "No running image tells what it contains"
        )
    else:
        said = f"None of {number(total)} running images contains it"
    clauses = [Clause(None, said, ".")]
    if search and untold and total > untold:
        clauses.append(Clause(None, f"Of {number(untold)} more nobody can tell", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))
