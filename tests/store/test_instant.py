"""Times as SQLite keeps them: the same text as SQLModel's own type writes, whatever zone they came in."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine
from sqlmodel.sql.sqltypes import UTCDateTime

from app.store.instant import Instant
from app.store.tables import METADATA

DIALECT = sqlite.dialect()
HERE = timezone(timedelta(hours=-3, minutes=-30))


def written(kind: TypeEngine[Any], at: datetime | None) -> Any:
    """`at` as it is sent to the database."""
    write = kind.bind_processor(DIALECT)
    assert write
    return write(at)


def read(kind: TypeEngine[Any], kept: Any) -> Any:
    """What comes back for what the database keeps."""
    reader = kind.result_processor(DIALECT, None)
    assert reader
    return reader(kept)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=HERE),
        datetime(1, 1, 1, tzinfo=UTC),
        None,
    ],
)
def test_instant_writes_and_reads_as_the_type_it_stands_for(at):
    ours, theirs = (kind.dialect_impl(DIALECT) for kind in (Instant(), UTCDateTime()))
    text = written(ours, at)
    assert text == written(theirs, at)
    assert read(ours, text) == at == read(theirs, text)


def test_instant_refuses_a_time_without_zone_and_is_the_type_of_every_time():
    with pytest.raises(ValueError, match="no time zone"):
        written(Instant(), datetime(2026, 1, 1))  # noqa: DTZ001
    times = [c for t in METADATA.tables.values() for c in t.columns if isinstance(c.type, UTCDateTime)]
    assert times
    assert all(isinstance(column.type, Instant) for column in times)
