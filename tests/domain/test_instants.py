"""Instants that people and programs send."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.domain import instants


def test_instant_is_read_into_utc() -> None:
    assert instants.read("2026-11-25T12:00:00+02:00") == datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-25T12:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_instant_or_out_of_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instants.read(text)


def test_edge_of_what_python_keeps_does_not_overflow() -> None:
    with pytest.raises(ValueError, match="year"):
        instants.in_utc(datetime.max.replace(tzinfo=timezone(-timedelta(hours=14))))
