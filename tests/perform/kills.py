"""Run by hand: SIGKILL at random moments for a `shipboard serve` that is being asked for commands.

    python -m tests.perform.kills [sqlite|postgresql] [KILLS]     (some 5 s a kill)

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
from tests.processes import Shipboard, free_port, run

PAUSES = 120
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
    others: Counter[str] = field(default_factory=Counter)


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
        began, told = time.monotonic(), self._told
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
        if time.monotonic() - began > STUCK:
            told.stuck.append(f"{key}: {answer['phase']} {answer['message']}")
        told.longest = max(told.longest, time.monotonic() - began)
        told.phases[f"{verb} {answer['phase']}"] += 1
        if answer["phase"] == CommandPhase.DONE:
            told.done[self.name] += 1
        elif answer["phase"] != CommandPhase.REFUSED:
            told.unsure[self.name] += 1

    async def _until_answered(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        while True:
            with contextlib.suppress(HTTPError):
                answer = await self._http.request(method, path, **more)
                unknown_yet = answer.status_code == 404 and method == "POST"
                if answer.status_code not in (429, 503) and not unknown_yet:
                    return answer.status_code, dict(answer.json())
            await asyncio.sleep(0.25)


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


async def kill(url: str, kills: int, home: Path) -> bool:
    """Ask, kill, count, and say what came of it; whether all is well."""
    environ = {"SHIPBOARD_AUDIT_KEY": KEY}
    async with EmbeddedCluster(time_scale=25.0) as kube, Client(kube.url, kube.token) as client:
        file, port = kube.kubeconfig(home / "kubeconfig"), free_port()
        code, token, said = await asyncio.to_thread(
            run, home, "token", "create", "kills", "--role", "operator", "--database", url, **environ
        )
        assert code == 0, said
        names, told, over = await make(client, kube), Told(), asyncio.Event()
        headers = {"Authorization": f"Bearer {token.strip().splitlines()[-1]}"}
        serve = ("serve", "--kubeconfig", file, "--database", url, "--port", str(port))
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10) as http:
            askers = [Asker(http, told, kube, kind, name) for kind, name in names]
            before = [asker.effects() for asker in askers]
            asking = [asyncio.create_task(asker.run(over)) for asker in askers]
            for number in range(kills + 1):
                board = await asyncio.to_thread(Shipboard, home, *serve, **environ)
                board.port = port
                await asyncio.to_thread(board.until_serving, "/ready")
                if number == kills:
                    break
                await asyncio.sleep(random.uniform(0, 2.5))  # not to wait for something: to kill anywhere
                board.signal(signal.SIGKILL)
                await asyncio.to_thread(board.ended)
            over.set()
            await asyncio.wait_for(asyncio.gather(*asking), STUCK * 2)
            board.signal(signal.SIGTERM)
            await asyncio.to_thread(board.ended)
        for name in ("r1", "r2"):
            await until(partial(phase, kube, name, "Paused"), f"{name} waits")
        made = {a.name: a.effects() - was for a, was in zip(askers, before, strict=True)}
    code, said, wrong = await asyncio.to_thread(run, home, "audit", "verify", "--database", url, **environ)
    doubled = sum(max(0, n - told.done[name] - told.unsure[name]) for name, n in made.items())
    undone = sum(max(0, told.done[name] - n) for name, n in made.items())
    print(f"effects: {made}; told done: {dict(told.done)}, unsure: {dict(told.unsure)}")
    print(f"phases: {dict(told.phases)}; not taken: {dict(told.others)}")
    print(f"audit verify: {code} {(said or wrong).strip().splitlines()[-1]}")
    print(
        f"{kills} kills, {sum(told.phases.values())} commands: {doubled} doubled, {len(told.lost) + undone} lost, "
        f"{len(told.stuck)} stuck; longest {told.longest:.1f} s  {told.lost} {told.stuck}"
    )
    return not (doubled or undone or told.lost or told.stuck or code)


def main(kind: str = "sqlite", kills: str = "30") -> int:
    """Run on a fresh database of that kind."""
    with tempfile.TemporaryDirectory(prefix="shipboard-kills-") as folder, contextlib.ExitStack() as stack:
        home = Path(folder)
        url = f"sqlite+aiosqlite:///{home / 'kills.db'}"
        if kind == "postgresql":
            server = stack.enter_context(postgres.a_server())
            url = stack.enter_context(postgres.a_database(server, "kills"))
        return 0 if asyncio.run(kill(url, int(kills), home)) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
