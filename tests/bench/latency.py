"""A change in the cluster → the changed DOM in Chromium, under load; and what the board costs when nothing happens."""

from __future__ import annotations

import json
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from playwright.sync_api import sync_playwright

from tests import machine
from tests.e2e.conftest import QUIET

from .rig import Demo, Real, Row, cpu_seconds, demo, product, quantile

WORKLOADS, PODS, EVENTS, CHANGES = 1000, 10, 100.0, 60
PAGES, REST = 10, 30.0

OBSERVE = """() => {
  window.seen = {};
  new MutationObserver(records => {
    const at = (performance.timeOrigin + performance.now()) / 1000;
    for (const r of records) {
      const row = (r.target.nodeType === 1 ? r.target : r.target.parentElement)?.closest('[id^="s-"]');
      if (row && !(row.id in window.seen)) window.seen[row.id] = at;
    }
  }).observe(document.querySelector('#rows'), {subtree: true, childList: true, attributes: true, characterData: true});
}"""


def run(real: Real | None = None) -> list[Row]:
    """Latency p50/p95 with 1,000 workloads, 10,000 pods and 100 events/s, beside a bare watch's; then CPU at rest."""
    workloads, pods = (real.WORKLOADS, real.PODS) if real else (WORKLOADS, PODS)
    opened: AbstractContextManager[Demo] = nullcontext(real) if real else demo(workloads, pods)
    with (
        opened as cluster,
        product(cluster.kubeconfig) as (process, url),
        sync_playwright() as play,
    ):
        browser = play.chromium.launch(executable_path=machine.browser(), args=QUIET)
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("#rows [id^='s-']")
        page.evaluate(OBSERVE)
        cluster.ask("touch", rate=EVENTS, seconds=CHANGES * 0.25 + 15)
        time.sleep(1)
        bare = _BareWatch(cluster)
        dom: list[float] = []
        lost = 0
        for number in range(CHANGES):
            name = f"load-{workloads // 2 + number:04d}"
            namespace = f"load-{(workloads // 2 + number) % 20:02d}"
            pod = bare.pod_of(namespace, name)
            page.evaluate(f"() => {{ delete window.seen['s-{name}'] }}")
            at = cluster.ask("ready", namespace=namespace, name=pod, value=False)["at"]
            seen = _await(page, f"s-{name}")
            if seen is None:
                lost += 1
            else:
                dom.append(seen - float(at))
            time.sleep(0.05)
        page.close()
        watch = bare.stop()
        rows = _latency_rows(dom, watch, lost)
        pages = [browser.new_page() for _ in range(PAGES)]
        for one in pages:
            one.goto(url)
        time.sleep(8)
        used, started = cpu_seconds(process.pid), time.monotonic()
        time.sleep(REST)
        share = (cpu_seconds(process.pid) - used) / (time.monotonic() - started) * 100
        rows.append(
            Row(
                f"at rest, {workloads * pods} pods, {PAGES} pages",
                f"{share:.2f} % of a core",
                "",
                "<= 3 %",
                share <= 3,
            )
        )
        browser.close()
        return rows


def _latency_rows(dom: list[float], watch: list[float], lost: int) -> list[Row]:
    p50, p95 = quantile(dom, 0.5) * 1000, quantile(dom, 0.95) * 1000
    bare, slow = quantile(watch, 0.5) * 1000, quantile(watch, 0.95) * 1000
    return [
        Row("change -> bare watch, p50", f"{bare:.1f} ms"),
        Row("change -> bare watch, p95", f"{slow:.1f} ms"),
        Row("change -> DOM, p50", f"{p50:.0f} ms", f"{p50 / bare:.1f} x bare watch", "<= 150 ms", p50 <= 150),
        Row("change -> DOM, p95", f"{p95:.0f} ms", f"{p95 / slow:.1f} x bare watch", "<= 400 ms", p95 <= 400),
        Row("changes never seen in the DOM", str(lost), "", "0", lost == 0),
    ]


def _await(page: Any, row: str) -> float | None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        seen = page.evaluate(f"() => window.seen['{row}'] ?? null")
        if seen is not None:
            return float(seen)
        time.sleep(0.02)
    return None


class _BareWatch:
    """A watch read line by line in a thread: when does a change that carries its own time stamp arrive?"""

    def __init__(self, cluster: Demo) -> None:
        self._delays: list[float] = []
        answer = cluster.open("/api/v1/pods")
        listed = json.load(answer)
        self._pods: dict[tuple[str, str], str] = {}
        for pod in listed["items"]:
            meta = pod["metadata"]
            self._pods.setdefault(
                (meta["namespace"], meta["labels"].get("app.kubernetes.io/name", "")), meta["name"]
            )
        self._stream = cluster.open(
            f"/api/v1/pods?watch=true&resourceVersion={listed['metadata']['resourceVersion']}"
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def pod_of(self, namespace: str, name: str) -> str:
        """Some pod of the workload."""
        return str(self._pods[namespace, name])

    def _read(self) -> None:
        marker = b'"bench/at":"'
        try:
            for line in self._stream:
                now, found = time.time(), line.find(marker)
                if found >= 0:
                    stamp = float(line[found + len(marker) : line.index(b'"', found + len(marker))])
                    if now - stamp < 5:
                        self._delays.append(now - stamp)
        except (OSError, ValueError, AttributeError):
            return

    def stop(self) -> list[float]:
        """Delays seen so far, in seconds."""
        return self._delays
