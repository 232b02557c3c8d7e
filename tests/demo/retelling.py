"""Plays the script of a tape on an embedded cluster, in time that need not be waited for.

An action is done when what the engines see has been the same for as long as on the tape when it was done there:
"pause in the middle of it" then means the same middle, however long each pod took to start.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import defaultdict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from app.demo import EmbeddedCluster
from app.demo.clock import Clock
from app.demo.kubelet import Pace
from app.demo.resources import Resource
from app.demo.store import Change as Stored
from app.demo.store import Entry
from app.domain.rollout import Phase
from tests.demo.client import Client
from tests.demo.courses import Course, Face, course, face, keys
from tests.demo.script import Action, Script
from tests.engines.tape import KINDS, Change, World

Obj = dict[str, Any]
Told = list[dict[str, Course]]
"""For each action, the course of every root until the next one."""
LATE, DRAWS = 5.0, 50
PACE = Pace(start=(0.2, 0.35), back_off=(3, 6, 12, 24, 48, 90), crash=1.0, oom=3.0, jitter=0.0)
"""That of the kubelet on the tapes."""
METRIC = "ok"
"""The one that the analysis on tape 23 measures."""
BEHAVIOURS = {"web:crash": "crash", "np:crash": "crash", "web:oom": "oom"}
"""What was wrong with the images on the tapes, `:bad` apart."""


class Leaping(selectors.DefaultSelector):
    """Does not wait for the next timer but makes it due; while `held`, only real input and output go on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.held = 0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self.held:
            return super().select(5.0)
        self.now += timeout
        return ready

    @contextmanager
    def hold(self) -> Iterator[None]:
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1


class LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leaping = Leaping()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now


class Missed(Exception):
    """The state in which an action was done on the tape did not come."""


class Watcher:
    """What the engines make of a cluster's events, chapter by chapter."""

    def __init__(self) -> None:
        self.world = World()
        self.chapters: list[dict[str, list[Face]]] = []
        self.now: dict[str, Face] = {}
        self.core: Any = {}
        self.changed = 0.0
        self.words: set[Hashable] = set()

    def turn(self) -> None:
        """A chapter begins, with the states the last one ended with."""
        self.chapters.append({name: [looks] for name, looks in self.now.items()})

    def take(self, t: float, res: str, event: Change) -> None:
        if res not in KINDS or event.type not in ("ADDED", "MODIFIED", "DELETED"):
            return
        self.world.apply(res, switching(event) if res == "services" else event)
        seen = {}
        for moment in self.world.moments(t):
            looks = face(moment.state)
            seen[moment.name] = looks
            self.words |= looks["words"]
            self.chapters[-1].setdefault(moment.name, []).append(looks)
        self.now, before = seen, self.core
        self.core = core(seen)
        if self.core != before:
            self.changed = t

    @property
    def told(self) -> Told:
        return [{name: course(faces) for name, faces in chapter.items()} for chapter in self.chapters]


def switching(event: Change) -> Change:
    """A Service that chooses a colour, as one that says so: it is then read as the switch of a blue-green pair."""
    service = msgspec.json.decode(event.object)
    if "color" in (service["spec"].get("selector") or {}):
        service["metadata"].setdefault("annotations", {})["shipboard/switch"] = "color"
    return Change(event.type, msgspec.Raw(msgspec.json.encode(service)))


def core(seen: dict[str, Face]) -> Any:
    """What has to be the same again before an action is repeated."""
    keys = ("phase", "step", "revision", "stable", "updated", "ready", "available", "total", "pods")
    return {name: tuple(looks[key] for key in keys) for name, looks in seen.items()}


def dwell(seen: Any, held: float) -> float:
    """How long a state must last before the action, when it had lasted so long on the tape: in the midst of a move not
    at all, since the next one comes as soon as a pod is ready."""
    if held > 1.0:
        return held
    moving = any(looks[0][0] == Phase.PROGRESSING for looks in seen.values())
    return 0.0 if moving else min(held, 0.1)


def recorded(script: Script) -> tuple[Watcher, list[tuple[Any, float]]]:
    """What was seen of a tape; and for each action, and for its end, what was seen then, and for how many
    seconds."""
    watcher, moments, actions = Watcher(), [], list(script.actions)
    for t, res, event in script.events:
        while actions and actions[0].t <= t:
            moments.append((watcher.core, actions.pop(0).t - watcher.changed))
            watcher.turn()
        watcher.take(t, res, event)
    for action in actions:
        moments.append((watcher.core, action.t - watcher.changed))
        watcher.turn()
    moments.append((watcher.core, 0.0))
    return watcher, moments


class Retelling:
    """One script on one embedded cluster."""

    def __init__(self, script: Script, loop: LeapingLoop) -> None:
        self.script = script
        self.loop = loop
        self.watcher = Watcher()
        self.answers: list[int] = []
        self.keys: dict[str, set[str]] = defaultdict(set)
        self.names: dict[str, str] = {}
        clock = Clock(ticks=loop.time, since=script.started)
        self.cluster = EmbeddedCluster(clock=clock)
        self.cluster.kubelet.pace = PACE
        self.cluster.behaviours.update(BEHAVIOURS)
        self._warned = 0

    async def tell(self) -> None:
        """Play it all. Raises Missed."""
        with self.loop.leaping.hold():
            await self.cluster.__aenter__()
        try:
            await self._play()
        finally:
            with self.loop.leaping.hold():
                await self.cluster.__aexit__(None, None, None)

    async def _play(self) -> None:
        for node in self.script.nodes:
            self.cluster.store.create("nodes", {**node, "metadata": dict(node["metadata"])})
        self.cluster.store.subscribe(self._note)
        _, moments = recorded(self.script)
        async with Client(self.cluster.url, self.cluster.token) as client:
            before = 0.0
            for action, (seen, held) in zip(self.script.actions, moments[:-1], strict=True):
                gap = action.t - before
                await self._wait(action, seen, dwell(seen, min(held, gap)), gap + LATE)
                self.watcher.turn()
                await self._do(client, action)
                before = action.t
            await asyncio.sleep(self.script.ended - before)
            await self._wait("the end", moments[-1][0], 0.0, LATE)

    async def _wait(self, action: Action | str, seen: Any, seconds: float, limit: float) -> None:
        end = self.loop.time() + limit
        while self.watcher.core != seen or self.loop.time() < self.watcher.changed + seconds:
            if self.loop.time() > end:
                raise Missed(f"{action}: expected {seen}, is {self.watcher.core}")
            await asyncio.sleep(0.01)

    async def _do(self, client: Client, action: Action) -> None:
        if not action.method:
            self.cluster.controllers.metrics[METRIC] = action.metric
            return
        path = "/".join(map(self._name, action.path.split("/")))
        body, query = self._translated(action, path), dict(parse_qsl(action.query))
        with self.loop.leaping.hold():
            status, _ = await client.call(action.method, path, body, action.content, **query)
        self.answers.append(status)

    def _translated(self, action: Action, path: str) -> Any:
        body = action.body
        if isinstance(body, dict) and body.get("kind") == "Eviction":
            return {**body, "metadata": {"name": path.split("/")[-2]}}
        version = body.get("metadata", {}).get("resourceVersion") if isinstance(body, dict) else None
        if version and action.status < 300:
            namespace, plural, name = path.split("/")[-3:]
            entry = self.cluster.store.get(plural, namespace, name)
            body = {**body, "metadata": {"resourceVersion": str(entry.version) if entry else version}}
        return body

    def _name(self, part: str) -> str:
        """For a pod of the tape the first of ours that stands for none yet and is not ending: they are all alike."""
        if part.startswith("web-") and part not in self.names:
            self.names[part] = next(
                pod.name
                for pod in self.cluster.store.rows("pods", self.script.namespace)
                if "deletionTimestamp" not in pod.obj["metadata"] and pod.name not in self.names.values()
            )
        return self.names.get(part, part)

    def _note(self, resource: Resource, change: Stored) -> None:
        log = self.cluster.store.tables["events"].log  # Events are written without telling anybody
        for warned in log.changes[max(0, self._warned - log.base) :]:
            self._take("events", "Event", "v1", warned)
        self._warned = log.end
        self._take(resource.plural, resource.kind, resource.api_version, change)

    def _take(self, plural: str, kind: str, api: str, change: Stored) -> None:
        if change.entry.namespace == self.script.namespace:
            self.keys[kind] |= set(keys(change.entry.obj))
            event = Change(change.type, msgspec.Raw(encoded(change.entry, kind, api)))
            self.watcher.take(self.loop.time(), plural, event)


def encoded(entry: Entry, kind: str, api: str) -> bytes:
    """An object as a watch would send it."""
    return f'{{"kind":"{kind}","apiVersion":"{api}",'.encode() + entry.tail


def retold(script: Script, draws: int = DRAWS) -> Retelling:
    """A script told by an embedded cluster.

    Names and delays are drawn anew until every action finds the state it was done in; raises Missed when none of so
    many draws did.
    """
    for seed in range(1, draws):
        with suppress(Missed):
            return drawn(script, seed)
    return drawn(script, draws)


def drawn(script: Script, seed: int) -> Retelling:
    """The same by one draw. Raises Missed."""
    random.seed(seed)
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, LeapingLoop)
        story = Retelling(script, loop)
        runner.run(story.tell())
    return story
