"""Recordings of a real cluster through the collector's own path: pages and watch lines, cache, engines, facts.

At every line what is told equals what the whole of the objects says, so nothing is told late, twice, or better
than the truth; and a list, whenever it comes, brings no news.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import pytest

from app.domain.facts import Fact, WorkloadGone, WorkloadObserved
from app.domain.places import PlaceRules
from app.domain.rollout import Phase, RolloutState
from app.engines import ENGINES
from app.sources.cache import Cache
from app.sources.flush import Flusher
from app.sources.intake import Intake
from app.sources.runner import kinds
from app.sources.timing import Timing
from tests.engines.oracle import agree, done
from tests.engines.tape import UNASKED, Change, Command, Line, Mark, Moment, lines, replay

pytestmark = pytest.mark.anyio

TAPES = ("01", "02", "03", "04", "06", "07", "08", "09", "11", "14", "15", "17", "21", "22", "23")
KINDS = {kind.plural: kind for kind in kinds()}
NOW = datetime(2026, 11, 23, tzinfo=UTC)
Edit = Callable[[dict[str, Any]], None]


class Board:
    """A collector without a cluster: what it told of each workload, by uid. `raw` is the server's side."""

    def __init__(self, edit: Edit | None = None) -> None:
        self.told: dict[str, WorkloadObserved] = {}
        self.raw: dict[str, dict[str, dict[str, Any]]] = {plural: {} for plural in KINDS}
        self.facts = 0
        self._edit = edit
        self._cache = Cache(ENGINES)
        self.intakes = {plural: Intake(kind, self._cache) for plural, kind in KINDS.items()}
        self._flusher = Flusher(
            "tape",
            self._cache,
            self._ingest,
            PlaceRules(),
            missing=lambda engine, namespace: frozenset(),
            ready=lambda: True,
            now=lambda: NOW,
            clock=lambda: 0.0,
            timing=Timing(),
            rng=random.Random(1),
        )

    async def _ingest(self, facts: Sequence[Fact]) -> None:
        self.facts += len(facts)
        for fact in facts:
            if isinstance(fact, WorkloadObserved):
                self.told[fact.uid] = fact
            elif isinstance(fact, WorkloadGone):
                self.told.pop(fact.uid, None)

    async def hear(self, plural: str, event: Change) -> None:
        """One line of a watch; the server sends no event that the field selector leaves out."""
        document = msgspec.json.decode(event.object)
        if plural == "events" and document.get("reason") in UNASKED:
            return
        if self._edit is not None:
            self._edit(document)
        if event.type == "DELETED":
            self.raw[plural].pop(document["metadata"]["uid"], None)
        elif event.type != "BOOKMARK":
            self.raw[plural][document["metadata"]["uid"]] = document
        line = msgspec.json.encode({"type": event.type, "object": document})
        self.intakes[plural].apply([line])
        await self._flusher.flush()

    async def listed(self, plural: str, items: Sequence[Any]) -> None:
        """A complete list of one kind."""
        newest = max((int(i["metadata"]["resourceVersion"]) for i in items), default=0)
        body = msgspec.json.encode({"metadata": {"resourceVersion": str(newest or 1)}, "items": items})
        seen: set[str] = set()
        self.intakes[plural].page(body, seen, True)
        self.intakes[plural].drift += self._cache.retain(KINDS[plural].name, "", seen)
        await self._flusher.flush()

    def states(self) -> dict[str, RolloutState]:
        return {fact.ref.name: fact.state for fact in self.told.values()}


def coloured(document: dict[str, Any]) -> None:
    """Tape 09 as if its Service said by which label it switches."""
    if document.get("kind") == "Service":
        document["metadata"].setdefault("annotations", {})["shipboard/switch"] = "color"


def tape(name: str) -> list[Line]:
    return [line for line in lines(name) if line.res in KINDS or line.kind in ("mark", "cmd")]


@cache
def whole(name: str, *, switched: bool = False) -> tuple[Moment | Command | Mark, ...]:
    """The same tape as all objects together tell it, at every event."""
    return tuple(replay(name, (lambda _, document: coloured(document)) if switched else None))


@pytest.mark.parametrize(("name", "switched"), [*((name, False) for name in TAPES), ("09", True)])
async def test_what_is_told_at_every_line_is_what_all_objects_say(name: str, switched: bool) -> None:
    board = Board(coloured if switched else None)
    moments = [m for m in whole(name, switched=switched) if isinstance(m, Moment)]
    at = 0
    for line in tape(name):
        if line.kind != "watch" or line.event is None or line.event.type == "BOOKMARK":
            continue
        await board.hear(line.res, line.event)
        there: dict[str, RolloutState] = {}
        while at < len(moments) and moments[at].t == line.t and moments[at].name not in there:
            there[moments[at].name] = moments[at].state
            at += 1
        hidden = {"blue", "green"} if switched and "web" in there else set()
        if there:
            assert board.states() == {n: s for n, s in there.items() if n not in hidden}, line.t
    assert at == len(moments) > 20


@pytest.mark.parametrize("name", TAPES)
async def test_no_phase_is_better_than_the_truth_and_kubectl_agrees(name: str) -> None:
    board, seen, said = Board(), [], []
    for line in tape(name):
        if line.kind == "cmd" and line.argv[3:5] == ["rollout", "status"]:
            said.append(Command(line.t0, line.t, tuple(line.argv[3:]), line.stdout + line.stderr))
        if line.kind != "watch" or line.event is None:
            continue
        await board.hear(line.res, line.event)
        for fact in board.told.values():
            raw = next(rows[fact.uid] for rows in board.raw.values() if fact.uid in rows)
            seen.append(Moment(line.t, fact.ref.name, fact.state, raw))
            assert fact.state.phase is not Phase.IDLE or done(raw), (line.t, fact.state)
    assert seen
    for command in said:
        agree(command, [m for m in seen if m.name == command.words[2].rpartition("/")[2]])


@pytest.mark.parametrize("name", TAPES)
async def test_a_list_at_any_mark_brings_no_news_and_a_late_start_tells_the_same(name: str) -> None:
    board, rng = Board(), random.Random(name)
    for line in tape(name):
        if line.kind == "list":
            said = msgspec.json.decode(line.body)
            if line.res != "events":
                await board.listed(line.res, said.get("items") or [])
        elif line.kind == "watch" and line.event is not None:
            await board.hear(line.res, line.event)
        elif line.kind == "mark":
            facts, late = board.facts, Board()
            for plural in rng.sample(sorted(KINDS), len(KINDS)):
                items = list(board.raw[plural].values())
                await board.listed(plural, items)
                await late.listed(plural, items)
            assert board.facts == facts, line.text
            assert late.states() == board.states(), line.text
            assert [p for p, intake in board.intakes.items() if intake.drift] == [], line.text
