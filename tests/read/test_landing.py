"""What became of the pods that a command moves: by the transitions that followed it, and by how its workload is."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.commands import Arguments, Command, CommandPhase, Expected, Verb
from app.domain.history import Transition
from app.domain.people import SYSTEM
from app.domain.revisions import Revision
from app.domain.rollout import Attention, Phase, PodCounts, Problem, RolloutState, attention
from app.engines.acting import Effect
from app.read.landing import AskedCommand, Way, Whither, landing, way
from app.read.words import ready
from app.store.commands import Intended, Kept
from tests.fleets import NOW, workload

ROW = workload("web")


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def kept(verb: Verb = Verb.ROLLBACK, effect: Effect | None = None, **more: Any) -> Kept:
    """A command asked at NOW of what runs "b", and seen to work two seconds later."""
    command = Command(
        "c1", verb, ROW.key, ROW.ref, "production", Arguments(), Expected(revision="b"), "", "", "Ada", "k", NOW, at(60)
    )  # fmt: skip
    intended = Intended("", (), (), Expected(), effect or Effect("b", revision="a"))
    found = Kept(command, SYSTEM, "", intended, CommandPhase.DONE, sent_at=at(1), ended_at=at(2))
    return replace(found, **more)


def went(*steps: tuple[float, Phase, str]) -> list[Transition]:
    return [Transition(at(s), Phase.IDLE, after, key, f"v{key}", None, "", "60 %") for s, after, key in steps]


RESTARTED = Effect("b", restarted_at=NOW)
TAKEN = Effect("b", left="b", images=("web:vc",))  # by the stable one of two Deployments
MOVES, IDLE, FAILED, PAUSED = Phase.PROGRESSING, Phase.IDLE, Phase.FAILED, Phase.AWAITING_APPROVAL


@pytest.mark.parametrize(
    ("command", "followed", "end", "seconds"),
    [
        (kept(), [], None, None),
        (kept(), [(2, MOVES, "a")], None, 2),
        (kept(), [(0.5, FAILED, "b"), (2, MOVES, "a"), (40, IDLE, "a")], Whither.LANDED, 40),
        (kept(), [(2, FAILED, "a"), (3, MOVES, "a"), (40, IDLE, "a"), (90, MOVES, "c")], Whither.LANDED, 40),
        (kept(), [(2, MOVES, "a"), (9, MOVES, "c"), (40, IDLE, "c")], Whither.OVERTAKEN, 9),
        (kept(), [(2, MOVES, "a"), (9, PAUSED, "a")], None, 9),
        (kept(Verb.RESTART, RESTARTED), [(1, Phase.PENDING, "b"), (2, MOVES, "c"), (8, IDLE, "c")], Whither.LANDED, 8),
        (kept(Verb.RESTART, RESTARTED), [(2, MOVES, "b"), (8, IDLE, "b")], Whither.LANDED, 8),
        (kept(Verb.PROMOTE, Effect("b")), [(2, MOVES, "b"), (5, PAUSED, "b"), (99, IDLE, "b")], Whither.LANDED, 5),
        (kept(Verb.PROMOTE, TAKEN), [(1, MOVES, "old"), (2, MOVES, "c"), (8, IDLE, "c")], Whither.LANDED, 8),
    ],
)  # fmt: skip
def test_transitions_tell_where_a_command_led(command, followed, end, seconds):
    found = way(command, went(*followed))
    assert (found.end, found.at) == (end, at(seconds) if seconds else None)


def test_a_failure_is_told_only_while_nothing_follows():
    assert way(kept(), went((2, MOVES, "a"), (9, FAILED, "a"))).failed
    assert not way(kept(), went((2, MOVES, "a"), (9, FAILED, "a"), (10, MOVES, "a"))).failed


def seen(phase: Phase, ready_: int, key: str = "a", **more: Any) -> RolloutState:
    return replace(
        ROW.state,
        phase=phase,
        revision=Revision(key, version="1.1", ready=ready_),
        counts=PodCounts(4, ready_),
        **more,
    )


BROKEN = Problem("image", "ErrImagePull", "The image cannot be pulled")


@pytest.mark.parametrize(
    ("told", "state", "whither", "said", "todo"),
    [
        (Way(), seen(IDLE, 4, "b"), Whither.MOVING, "Its pods have not begun to move.", False),
        (Way("a"), seen(MOVES, 2), Whither.MOVING, "2 of 4 pods on 1.1 are ready.", False),
        (Way("a"), seen(PAUSED, 1), Whither.WAITING, "1 of 4 pods on 1.1 is ready. It waits for a person.", False),
        (Way("a"), seen(MOVES, 2, paused=True), Whither.WAITING, "It is paused: its pods do not move.", True),
        (
            Way("a", failed=True),
            seen(FAILED, 2, problems=(BROKEN,)),
            Whither.STUCK,
            "2 of 4 pods on 1.1 are ready. The image cannot be pulled",
            True,
        ),
        (Way("a", "1.1", Whither.LANDED, at(40)), seen(IDLE, 4), Whither.LANDED, "All 4 pods on 1.1 are ready.", False),
        (Way("a", "1.1", Whither.LANDED, at(40)), seen(IDLE, 4, "c"), Whither.LANDED, "1.1 landed.", False),
        (Way("a", "2.0", Whither.LANDED, at(40), "60 %"), seen(PAUSED, 2), Whither.LANDED, "2.0 stands at", False),
        (Way("a", "1.1", Whither.OVERTAKEN, at(9)), seen(MOVES, 0, "c"), Whither.OVERTAKEN, "Another version", False),
    ],
)  # fmt: skip
def test_what_becomes_of_the_pods_is_one_sentence(told, state, whither, said, todo):
    row = replace(ROW, state=state, attention=attention(state))
    found = landing(AskedCommand(kept(), told), row, row.attention, at(30))
    assert found is not None
    assert (found.state, found.said.startswith(said), bool(found.todo)) == (whither, True, todo), found
    assert (found.seconds is None) == (told.at is None)


def test_nothing_is_told_of_what_moves_no_pods_was_refused_or_is_long_past():
    row = replace(ROW, state=seen(MOVES, 2))

    def told(command: Kept, seconds: float = 30) -> object:
        return landing(AskedCommand(command), row, Attention.MOVING, at(seconds))

    assert told(kept()) is not None
    assert told(kept(Verb.PAUSE)) is None
    assert told(kept(phase=CommandPhase.FAILED)) is None
    assert told(kept(sent_at=None)) is None, "it was so already"
    assert told(kept(), 3600) is None
    blind = landing(AskedCommand(kept()), row, Attention.UNKNOWN, at(30))
    assert blind is not None
    assert blind.state is Whither.UNSEEN


def test_one_pod_is_not_called_all_pods():
    assert [ready(n, 1, "1.1") for n in (0, 1)] == [
        "Its one pod on 1.1 is not ready yet.",
        "Its one pod on 1.1 is ready.",
    ]
    assert [ready(n, 2, "") for n in (1, 2)] == ["1 of 2 pods is ready.", "Both pods are ready."]
