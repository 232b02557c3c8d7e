"""Run by hand: harm at random moments for a `shipboard serve` that is being asked for commands.

    python -m tests.perform.kills [sqlite|postgresql] [TIMES] [kill|freeze|commit|away]

    kill     SIGKILL, and a new process (some 2 s each)
    freeze   SIGSTOP for up to 3 s, then SIGCONT (some 3 s each)
    commit   PostgreSQL: the connection is cut on one COMMIT of ten, half of them before it gets through, half after it
             was done; TIMES seconds of it
    away     PostgreSQL: out of reach for 30 s, then back for 10 s

Clients ask for pause and resume of Deployments and for promotions of canaries, one after the other for each workload,
each under a key of its own, which they send again until somebody answers. In the end the cluster tells how often each
was carried out: a generation for each pause or resume, two steps for each promotion. Exit code 1 if anything was
doubled, lost, or not over within 60 s of being asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from httpx2 import AsyncClient, HTTPError

from app.demo import EmbeddedCluster
from app.domain.commands import MOVES, CommandPhase
from tests import postgres
from tests.demo.client import Client, deployment, template, until
from tests.perform.forks import Forked, Forks
from tests.postgres_proxy import PostgresProxy, postgres_proxy
from tests.processes import free_port, run

PAUSES = 400
STUCK = 60.0
KEY = "k" * 32


@dataclass
class Told:
    """What clients were told, by workload."""

    done: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    longest: float = 0.0
    longest_up: float = 0.0
    others: Counter[str] = field(default_factory=Counter)
    _up: float = 0.0
    _since: float | None = None

    def so_far(self) -> str:
        """A line for who waits."""
        return f"{sum(self.phases.values())} commands, {len(self.lost)} lost, {len(self.stuck)} stuck"

    def works(self) -> None:
        """The board can work from now on."""
        self._since = self._since or time.monotonic()

    def rests(self) -> None:
        """It cannot."""
        self._up, self._since = self.up(), None

    def up(self) -> float:
        """Seconds in which it could work."""
        return self._up + (time.monotonic() - self._since if self._since else 0.0)


class Asker:
    """A client that asks for one command after the other, on one workload."""

    def __init__(self, http: AsyncClient, told: Told, kube: EmbeddedCluster, kind: str, name: str) -> None:
        self._http, self._told, self._kube, self._kind, self.name = http, told, kube, kind, name
        self._path = f"/api/v1/workloads/demo/default/{kind}/{name}/commands"

    def stored(self) -> dict[str, Any]:
        entry = self._kube.store.get(f"{self._kind.lower()}s", "default", self.name)
        assert entry is not None
        return entry.obj

    def effects(self) -> int:
        """How often it was changed since it was made: generations, or pauses that lie behind."""
        found = self.stored()
        if self._kind == "Rollout":
            return int(found["status"]["currentStepIndex"]) // 2
        return int(found["metadata"]["generation"])

    async def run(self, over: asyncio.Event) -> None:
        number = 0
        while not over.is_set():
            number += 1
            verb = "promote" if self._kind == "Rollout" else "pause"
            if self.stored()["spec"].get("paused"):
                verb = "resume"
            if verb == "promote" and self.stored()["status"]["currentStepIndex"] >= 2 * PAUSES - 4:
                return
            await self._one(verb, f"{self.name}-{number}")
            await asyncio.sleep(random.uniform(0, 0.5))

    async def _one(self, verb: str, key: str) -> None:
        told = self._told
        began, up = time.monotonic(), told.up()
        body, headers = {"verb": verb, "reason": "killed"}, {"Idempotency-Key": key}
        status, answer = await self._until_answered("POST", self._path, json=body, headers=headers)
        if status != 202:
            told.others[f"{status} {answer.get('type', '')} {answer.get('detail', '')}"[:150]] += 1
            return
        while CommandPhase(answer["phase"]) in MOVES:
            where = f"/api/v1/commands/{answer['id']}?unlike={answer['phase']}"
            status, found = await self._until_answered("GET", where)
            if status != 200:
                told.lost.append(f"{key}: {status}")
                return
            answer = found
        if told.up() - up > STUCK:
            told.stuck.append(f"{key}: {answer['phase']} {answer['message']}")
        told.longest = max(told.longest, time.monotonic() - began)
        told.longest_up = max(told.longest_up, told.up() - up)
        told.phases[f"{verb} {answer['phase']}"] += 1
        if answer["phase"] == CommandPhase.DONE:
            told.done[self.name] += 1
        elif answer["phase"] != CommandPhase.REFUSED:
            told.unsure[self.name] += 1

    async def _until_answered(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        pause = 0.25
        while True:
            with contextlib.suppress(HTTPError):
                answer = await self._http.request(method, path, **more)
                unknown_yet = answer.status_code == 404 and method == "POST"
                if answer.status_code not in (429, 503) and not unknown_yet:
                    return answer.status_code, dict(answer.json())
                # All share a token: at four a second each, an outage would use up the minute's requests.
                pause = min(2.0, 2 * pause)
            await asyncio.sleep(pause)


async def make(client: Client, kube: EmbeddedCluster) -> list[tuple[str, str]]:
    """Two Deployments and two canaries, which wait at their first pause."""
    for name in ("d1", "d2"):
        body = deployment(replicas=1)
        body["metadata"]["name"] = name
        await client.call("POST", "/apis/apps/v1/namespaces/default/deployments", body)
    path = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
    steps: list[dict[str, Any]] = []
    for number in range(PAUSES):
        steps += [{"setWeight": 1 + number * 98 // PAUSES}, {"pause": {}}]
    for name in ("r1", "r2"):
        pod = template("web:1.0")
        pod["metadata"]["labels"] = {"app": name}
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": pod,
                "strategy": {"canary": {"steps": steps}}}  # fmt: skip
        status, answer = await client.call("POST", path, {"metadata": {"name": name}, "spec": spec})
        assert status == 201, answer

    for name in ("r1", "r2"):
        await until(partial(phase, kube, name, "Healthy"), f"{name} is healthy")
        op = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:2.0"}
        await client.patch(f"{path}/{name}", [op], "application/json-patch+json")
    for name in ("r1", "r2"):
        await until(partial(phase, kube, name, "Paused"), f"{name} waits")
    return [("Deployment", "d1"), ("Deployment", "d2"), ("Rollout", "r1"), ("Rollout", "r2")]


def phase(kube: EmbeddedCluster, name: str, wanted: str) -> bool:
    """Whether a Rollout is in that phase."""
    entry = kube.store.get("rollouts", "default", name)
    return entry is not None and (entry.obj.get("status") or {}).get("phase") == wanted


@dataclass
class Bench:
    """A board that is harmed. `up` are the seconds in which it could work so far."""

    home: Path
    forks: Forks
    serve: tuple[str, ...]
    port: int
    proxy: PostgresProxy | None
    told: Told
    board: Forked | None = None

    async def start(self) -> None:
        """A new process, until it serves."""
        self.board = await asyncio.to_thread(self.forks.fork, *self.serve, port=self.port)
        await asyncio.to_thread(self.board.until_serving, "/ready", 600.0)
        self.told.works()

    async def kill(self) -> None:
        """One kill, anywhere."""
        assert self.board
        await asyncio.sleep(random.uniform(0, 2.5))  # not to wait for something: to kill anywhere
        self.board.signal(signal.SIGKILL)
        self.told.rests()
        await asyncio.to_thread(self.board.ended)
        await self.start()

    async def freeze(self) -> None:
        """One stop anywhere, and on again."""
        assert self.board
        await asyncio.sleep(random.uniform(0, 2.5))
        self.board.signal(signal.SIGSTOP)
        self.told.rests()
        await asyncio.sleep(random.uniform(0, 3.0))
        self.board.signal(signal.SIGCONT)
        self.told.works()

    async def commit(self) -> None:
        """A second in which one COMMIT of ten is lost."""
        assert self.proxy
        self.proxy.fate = lambda: random.choice(("before", "after")) if random.random() < 0.1 else ""
        await asyncio.sleep(1)

    async def away(self) -> None:
        """The database goes and comes back."""
        assert self.proxy
        self.proxy.leave()
        self.told.rests()
        await asyncio.sleep(30)
        self.proxy.come_back()
        self.told.works()
        await asyncio.sleep(10)


async def harm(url: str, times: int, home: Path, how: str, proxy: PostgresProxy | None) -> bool:
    """Ask, harm, count, and say what came of it; whether all is well."""
    environ = {"SHIPBOARD_AUDIT_KEY": KEY}
    async with EmbeddedCluster(time_scale=25.0) as kube, Client(kube.url, kube.token) as client:
        file, port = kube.kubeconfig(home / "kubeconfig"), free_port()
        code, token, said = await asyncio.to_thread(
            run, home, "token", "create", "kills", "--role", "operator", "--database", url, **environ
        )
        assert code == 0, said
        names, told, over = await make(client, kube), Told(), asyncio.Event()
        headers = {"Authorization": f"Bearer {token.strip().splitlines()[-1]}"}
        serve = ("serve", "--kubeconfig", file, "--database", proxy.url if proxy else url)
        bench = Bench(home, Forks(home, **environ), serve, port, proxy, told)
        await bench.start()
        began = time.monotonic()
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as http:
            askers = [Asker(http, told, kube, kind, name) for kind, name in names]
            before = [asker.effects() for asker in askers]
            asking = [asyncio.create_task(asker.run(over)) for asker in askers]
            for number in range(times):
                await getattr(bench, how)()
                if number % 10 == 9:
                    print(f"{number + 1} in {time.monotonic() - began:.0f} s, {told.so_far()}", flush=True)
            if proxy:
                proxy.fate = str
            over.set()
            await asyncio.wait_for(asyncio.gather(*asking), STUCK * 3)
            assert bench.board
            bench.board.signal(signal.SIGTERM)
            await asyncio.to_thread(bench.board.ended)
        bench.forks.close()
        for name in ("r1", "r2"):
            await until(partial(phase, kube, name, "Paused"), f"{name} waits")
        made = {a.name: a.effects() - was for a, was in zip(askers, before, strict=True)}
    code, said, wrong = await asyncio.to_thread(run, home, "audit", "verify", "--database", url, **environ)
    doubled = sum(max(0, n - told.done[name] - told.unsure[name]) for name, n in made.items())
    undone = sum(max(0, told.done[name] - n) for name, n in made.items())
    print(f"effects: {made}; told done: {dict(told.done)}, unsure: {dict(told.unsure)}")
    print(f"phases: {dict(told.phases)}; not taken: {dict(told.others)}; cut: {proxy and dict(proxy.cut)}")
    print(f"audit verify: {code} {(said or wrong).strip().splitlines()[-1]}")
    print(
        f"{times} x {how}, {sum(told.phases.values())} commands: {doubled} doubled, {len(told.lost) + undone} lost, "
        f"{len(told.stuck)} stuck; longest {told.longest:.1f} s, {told.longest_up:.1f} s of them up "
        f"{told.lost} {told.stuck}"
    )
    return not (doubled or undone or told.lost or told.stuck or code)


async def bench(kind: str, times: int, how: str) -> bool:
    """Run on a fresh database of that kind."""
    with tempfile.TemporaryDirectory(prefix="shipboard-kills-") as folder:
        home = Path(folder)
        if kind != "postgresql":
            return await harm(f"sqlite+aiosqlite:///{home / 'kills.db'}", times, home, how, None)
        with postgres.a_server() as server, postgres.a_database(server, "kills") as url:
            async with postgres_proxy(url, home) as proxy:
                return await harm(url, times, home, how, proxy if how in ("commit", "away") else None)


def main(kind: str = "sqlite", times: str = "30", how: str = "kill") -> int:
    """Run, and answer the exit code."""
    return 0 if asyncio.run(bench(kind, int(times), how)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
