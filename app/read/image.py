"""The page of an image: what is known of its bytes, where they run now, and that in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.artifacts import Flag
from app.domain.rollout import Attention

from .artifacts import ArtifactShown, RunningLine, shown
from .board import Clause, Sentence
from .columns import columns
from .fleet import Fleet
from .query import version_of
from .rows import WorkloadRow
from .words import number, word
from .workloads import Verdicts


async def artifact_page(
    connection: AsyncConnection, fleet: Fleet, digest: str, now: datetime
) -> ArtifactShown:
    """The page of an image. Raises LookupError when nothing is known of it."""
    found = await shown(connection, digest, fleet.policy)
    running = _running(fleet, {digest, *(found.names if found else ())}, now)
    if found is None and not running:
        raise LookupError("Neither CI nor a report nor a signature tells of this image, and nothing runs it.")
    found = found or ArtifactShown(
        digest, (), None, "", "", "", False, (), (), (), (), (), (), (), running=running
    )
    return replace(found, running=running, sentence=_sentence(running, found.flags))


def _running(fleet: Fleet, names: Set[str], now: datetime) -> tuple[RunningLine, ...]:
    rows = [row for row in fleet.workloads.values() if not names.isdisjoint(digests(row))]
    return tuple(line for _, line in running_lines(fleet, rows, now))


def digests(row: WorkloadRow) -> tuple[str, ...]:
    """The digests of the images that a workload runs, in its newest and its stable revision."""
    revisions = (row.state.revision, row.state.stable)
    return tuple(dict.fromkeys(digest for one in revisions if one for digest in one.digests))


def running_lines(
    fleet: Fleet, rows: Sequence[WorkloadRow], now: datetime
) -> Iterator[tuple[WorkloadRow, RunningLine]]:
    """A line for each of `rows`, with the last environment of the promotion order first."""
    verdicts = Verdicts(fleet.sources.values(), now, rows)
    places = columns({row.place.environment for row in rows}, fleet.environments)
    order = {column.name: place for place, column in enumerate(places)}
    for row in sorted(rows, key=lambda r: (-order.get(r.place.environment, 0), r.place.service, r.ref)):
        attention = verdicts.attention(row)
        place = row.place
        yield (
            row,
            RunningLine(
                str(row.ref),
                place.service,
                place.environment,
                version_of(row),
                attention,
                word(row.state, attention),
            ),
        )


def _sentence(running: Sequence[RunningLine], flags: Sequence[Flag]) -> Sentence:
    where = list(dict.fromkeys(line.environment for line in running))
    if where:
        listed = where[0] if len(where) == 1 else f"{', '.join(where[:-1])} and {where[-1]}"
        clauses = [Clause(None, f"It runs in {listed}", ".")]
    else:
        clauses = [Clause(None, "Nothing that is seen runs it", ".")]
    if flags:
        n = len(flags)
        said = f"{number(n).capitalize()} {'thing is' if n == 1 else 'things are'} not as they should be"
        clauses.append(Clause(None, said if n > 1 else "One thing is not as it should be", "."))
    else:
        clauses.append(Clause(Attention.GOOD if running else None, "Nothing is to be said against it", "."))
    return Sentence(tuple(clauses), " ".join(c.text + c.end for c in clauses))
