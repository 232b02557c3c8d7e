"""Who is told what, once, and how many at a time."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.notices import UNASKED, Notice, NoticeKind, Route, again, bundled, fresh, ready, routed

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OPENED = Notice(
    NoticeKind.GATE_OPENED, "gate/7/gate-opened", "gate/7", NOW, "Cart waits.",
    environment="production", service="cart", team="shop",
)  # fmt: skip


@dataclass(frozen=True)
class Message:
    """A message that waits."""

    name: str
    thread: str = ""
    due_at: datetime = NOW
    batch: str = ""


@pytest.mark.parametrize(
    ("route", "notice", "taken"),
    [
        (Route(("a",)), OPENED, True),
        (Route(("a",), environment="prod*", service="c?rt", team="shop"), OPENED, True),
        (Route(("a",), environment="staging"), OPENED, False),
        (Route(("a",), team="payments"), OPENED, False),
        (Route(("a",), kinds=frozenset({NoticeKind.ROLLOUT_FAILED})), OPENED, False),
        (Route(("a",)), replace(OPENED, kind=NoticeKind.GATE_EXECUTED), False),
        (
            Route(("a",), kinds=frozenset({NoticeKind.GATE_EXECUTED})),
            replace(OPENED, kind=NoticeKind.GATE_EXECUTED),
            True,
        ),
        # a freeze of every service concerns each; a silent source is nobody's in particular
        (Route(("a",), service="cart"), replace(OPENED, service="*"), True),
        (Route(("a",), service="cart"), replace(OPENED, service="pay*"), False),
        (Route(("a",), environment="production"), replace(OPENED, environment=""), False),
    ],
)
def test_route_takes_what_fits_its_place_and_kinds(route, notice, taken):
    assert route.takes(notice) is taken


def test_target_is_told_once_however_many_routes_lead_to_it():
    routes = (Route(("a", "b"), environment="production"), Route(("b", "c"), service="cart"))
    assert routed(OPENED, routes) == ("a", "b", "c")
    assert NoticeKind.GATE_VOID not in UNASKED


def test_change_is_told_once_and_never_late():
    old = replace(OPENED, key="old", at=NOW - timedelta(hours=2))
    told, noted = fresh([OPENED, old, replace(OPENED, key="known")], frozenset({"known"}), NOW)
    assert ([n.key for n in told], [n.key for n in noted]) == (["gate/7/gate-opened"], ["old"])


def test_nothing_overtakes_an_earlier_message_of_its_thread():
    waits = NOW + timedelta(seconds=5)
    found = ready(
        [Message("1", "gate/1", waits), Message("2", "gate/2"), Message("3", "gate/1")],
        NOW,
    )
    assert [each.name for each in found] == ["2"]


@pytest.mark.parametrize(
    ("many", "ago", "sizes"),
    [
        (3, (), [1, 1, 1]),
        (4, (), [4]),  # more than three a minute: told together
        (2, (10, 20), [2]),
        (1, (10, 20), [1]),
        (5, (10, 20, 30), []),  # enough within this minute: they wait, and are told together after it
        (5, (61, 62, 63), [5]),
    ],
)
def test_storm_becomes_one_digest(many, ago, sizes):
    sent = [NOW - timedelta(seconds=seconds) for seconds in ago]
    due = [Message(str(n)) for n in range(many)]
    assert [len(each) for each in bundled(due, sent, NOW, 3)] == sizes


def test_digest_that_failed_is_sent_again_as_it_was():
    due = [Message("1", batch="x"), Message("2", batch="x"), Message("3")]
    assert [[m.name for m in each] for each in bundled(due, (), NOW, 3)] == [["1", "2"], ["3"]]


def test_tries_grow_apart_up_to_ten_minutes():
    assert [again(n) for n in (1, 2, 3, 8, 40)] == [5, 10, 20, 600, 600]
