"""From the click on Abort to the conditional PATCH that the cluster took, under load, beside a bare PATCH loop."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from .rig import DEADLINE, ROOT, Demo, Row, demo, product, quantile

WORKLOADS, PODS, EVENTS = 300, 5, 100.0
ROLLOUTS, ROUNDS, CLIENTS = 34, 3, 4
NAMESPACE = "default"
PATH = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/rollouts"


def run() -> list[Row]:
    """p50 and p99 of `ROLLOUTS` x `ROUNDS` aborts by `CLIENTS` at a time, while 100 events/s come in."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder, demo(WORKLOADS, PODS) as cluster:
        file = f"sqlite+aiosqlite:///{folder}/act.db"
        with product(cluster.kubeconfig, "--database", file) as (_, url):
            board = _Board(url, _token(file))
            names = [f"r{number:02d}" for number in range(ROLLOUTS)]
            _make(cluster, names)
            cluster.ask("touch", rate=EVENTS, seconds=600)
            clicks: list[float] = []
            bare: list[float] = []
            with ThreadPoolExecutor(CLIENTS) as pool:
                for number in range(ROUNDS):
                    _ship(cluster, names, f"web:2.{number}")
                    bare += pool.map(lambda name: _bare(cluster, name), names)
                    clicks += pool.map(lambda name, n=number: board.abort(name, f"{name}-{n}"), names)
    p50, p99 = quantile(clicks, 0.5) * 1000, quantile(clicks, 0.99) * 1000
    least, most = quantile(bare, 0.5) * 1000, quantile(bare, 0.99) * 1000
    return [
        Row(f"bare PATCH, p50 / p99 of {len(bare)}", f"{least:.1f} / {most:.1f} ms"),
        Row(
            f"click -> PATCH taken, p50 of {len(clicks)}", f"{p50:.0f} ms", f"{p50 / least:.1f} x bare PATCH"
        ),
        Row(
            "click -> PATCH taken, p99",
            f"{p99:.0f} ms",
            f"{p99 / most:.1f} x bare PATCH",
            "<= 1000 ms",
            p99 <= 1000,
        ),
    ]


class _Board:
    """The product's API."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token

    def abort(self, name: str, key: str) -> float:
        """Seconds from the request to the moment the cluster had taken the writes."""
        clicked = time.time()
        path = f"/api/v1/workloads/demo/{NAMESPACE}/Rollout/{name}/commands"
        receipt = self._ask(path, {"verb": "abort", "reason": "measured"}, key)
        while receipt["sent_at"] is None and receipt["phase"] in ("pending", "running"):
            receipt = self._ask(f"/api/v1/commands/{receipt['id']}?unlike={receipt['phase']}")
        if receipt["sent_at"] is None:
            raise RuntimeError(f"not sent: {receipt['message']}")
        return datetime.fromisoformat(receipt["sent_at"]).timestamp() - clicked

    def _ask(self, path: str, body: Any = None, key: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(self._url + path, data, headers), timeout=DEADLINE
        ) as answer:
            return dict(json.load(answer))


def _token(database: str) -> str:
    command = [
        str(Path(sys.executable).parent / "shipboard"),
        "token",
        "create",
        "bench",
        "--role",
        "operator",
    ]
    done = subprocess.run(
        [*command, "--database", database],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    return done.stdout.strip()


def _kube(
    cluster: Demo, method: str, path: str, body: Any = None, content: str = "application/json"
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {cluster.token}", "Content-Type": content}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(cluster.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return dict(json.load(answer))


def _make(cluster: Demo, names: list[str]) -> None:
    for name in names:
        labels = {"app": name}
        pod = {"containers": [{"name": "web", "image": "web:1.0"}]}
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
            "template": {
                "metadata": {"labels": labels, "annotations": {"hollow/ready-after": "0.1"}},
                "spec": pod,
            },
        }
        _kube(cluster, "POST", PATH, {"metadata": {"name": name}, "spec": spec})
    _until(cluster, lambda status: status.get("phase") == "Healthy")


def _ship(cluster: Demo, names: list[str], image: str) -> None:
    """A new version of each, up to its pause."""
    for name in names:
        op = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}
        _kube(cluster, "PATCH", f"{PATH}/{name}", [op], "application/json-patch+json")
    _until(cluster, lambda status: bool(status.get("pauseConditions")) and not status.get("abort"))
    time.sleep(1)  # the board sees it as a person would


def _until(cluster: Demo, holds: Any) -> None:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if all(holds(item.get("status") or {}) for item in _kube(cluster, "GET", PATH)["items"]):
            return
        time.sleep(0.2)
    raise RuntimeError("the rollouts did not come to where they should be")


def _bare(cluster: Demo, name: str) -> float:
    started = time.perf_counter()
    body = {"metadata": {"annotations": {"bench": str(started)}}}
    _kube(cluster, "PATCH", f"{PATH}/{name}", body, "application/merge-patch+json")
    return time.perf_counter() - started


if __name__ == "__main__":
    for row in run():
        print(row)
