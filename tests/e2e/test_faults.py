"""The board through what goes wrong: the real process on embedded clusters, seen by a browser that never reloads.

Two clusters on one board: "open", and "walled", where pods may be read in one namespace of two. The tests share
the processes; each leaves them well.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import machine
from tests.processes import Shipboard, free_port, shipboard

TOKEN = "drill"
BUSY = 5.0
"""Seconds a busy machine may add to what is promised."""
expect.set_options(timeout=20_000)
CELLS = "#rows .cell[data-phase]"
GREEN = "#rows [data-phase=healthy], #sentence .all, #foot li[data-phase=healthy], #foot .live[data-phase=healthy]"
NAMESPACES = ("load-00", "load-01")


class EmbeddedProcess:
    """`python -m app.demo` with two settled Deployments, one in each of `NAMESPACES`, and its switches."""

    def __init__(self, home: Path, name: str) -> None:
        self.kubeconfig = home / f"{name}.kubeconfig"
        arguments = ["--no-fleet", "--fill", "2x2", "--token", TOKEN, "--kubeconfig", str(self.kubeconfig)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.demo", *arguments, "--bookmarks", "2", "--with-parent"],
            cwd=machine.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.at: dict[str, str] = json.loads(self.process.stdout.readline())

    def ask(self, method: str, url: str, body: Any, media_type: str = "application/json") -> None:
        """One request that must succeed."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": media_type}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def faults(self, **switches: Any) -> None:
        """Switch some faults."""
        self.ask("POST", self.at["bench"] + "/faults", switches)

    def ship(self, namespace: str, name: str, version: str) -> None:
        """Set a Deployment's image, as `kubectl set image` does."""
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        image = {"name": name, "image": f"ghcr.io/acme/{name}:{version}"}
        template = {
            "metadata": {"labels": {"app.kubernetes.io/version": version}},
            "spec": {"containers": [image]},
        }
        patch = {"spec": {"template": template}}
        self.ask("PATCH", self.at["url"] + path, patch, "application/strategic-merge-patch+json")

    def end(self) -> None:
        """End the process, however it is."""
        self.process.kill()
        self.process.communicate()


class Rig:
    """The server with its two clusters. `serve` starts it, again on the same port and database if need be."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.home, self.stack, self.port = home, stack, free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.open, self.walled = EmbeddedProcess(home, "open"), EmbeddedProcess(home, "walled")
        stack.callback(self.open.end)
        stack.callback(self.walled.end)
        self.walled.faults(
            forbid=[
                {"resource": "pods", "cluster_wide": True},
                {"resource": "pods", "namespace": NAMESPACES[0]},
            ]
        )
        self.settings = home / "shipboard.yaml"
        clusters = [
            {"name": "open", "kubeconfig": str(self.open.kubeconfig)},
            {"name": "walled", "kubeconfig": str(self.walled.kubeconfig), "namespaces": list(NAMESPACES)},
        ]
        self.settings.write_text(json.dumps({"database": f"sqlite:///{home}/drill.db", "clusters": clusters}))
        self.serve()

    def serve(self) -> None:
        """Start the server and wait for it."""
        arguments = ("serve", "--config", str(self.settings))
        self.server: Shipboard = self.stack.enter_context(shipboard(self.home, *arguments, port=self.port))
        self.server.until_serving()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(tmp_path_factory.mktemp("drill"), stack)


@pytest.fixture
def board(page: Page, rig: Rig) -> Iterator[Page]:
    """The board of the open cluster, all good; it must still be the same document at the end."""
    page.goto(f"{rig.url}?cluster=open")
    expect(page.locator(f"{CELLS}[data-phase=healthy]")).to_have_count(2)
    page.evaluate("window.kept = true")
    yield page
    assert page.evaluate("window.kept")


def content(page: Page) -> Any:
    """What is said, without what only time changes."""
    return page.evaluate("""() => {
        const shown = document.querySelector('main').cloneNode(true);
        for (const moving of shown.querySelectorAll('time, #day')) moving.remove();
        return shown.textContent.replace(/\\s+/g, ' ');
    }""")


def test_a_change_in_the_cluster_changes_its_row(board: Page, rig: Rig) -> None:
    rig.open.ship("load-00", "load-0000", "9.9.9")
    expect(board.locator("#s-load-0000 .ver").first).to_have_text("9.9.9")
    expect(board.locator("#s-load-0001 .ver").first).not_to_have_text("9.9.9")
    expect(board.locator(f"{CELLS}[data-phase=healthy]")).to_have_count(2)


def test_a_forbidden_namespace_is_unknown_and_says_why(page: Page, rig: Rig) -> None:
    page.goto(f"{rig.url}?cluster=walled")
    denied, allowed = page.locator("#s-load-0000 .cell"), page.locator("#s-load-0001 .cell[data-phase]")
    expect(allowed).to_have_attribute("data-phase", "healthy")
    expect(denied.and_(page.locator("[data-phase]"))).to_have_attribute("data-phase", "unknown")
    expect(page.locator("#s-load-0000 .why")).to_contain_text("Not permitted to list pods in load-00.")
    page.goto(f"{rig.url}sources")
    line = page.locator("#rows tr", has_text="load-00").filter(has_text="Pod")
    expect(line).to_contain_text("Not permitted to list pods in load-00.")
    expect(line).to_contain_text("UNKNOWN")


def test_an_api_server_that_is_gone_leaves_nothing_green_and_comes_back(board: Page, rig: Rig) -> None:
    gone_at = time.monotonic()
    rig.open.faults(refuse=True)
    expect(board.locator(f"{CELLS}:not([data-phase=unknown])")).to_have_count(0)
    assert time.monotonic() - gone_at <= 15 + BUSY
    expect(board.locator("#sentence")).to_have_text("None of the 2 services can be seen.")
    expect(board.locator("#foot li", has_text="open")).to_contain_text("STALE")
    expect(board.locator(GREEN)).to_have_count(0)
    rig.open.faults(refuse=False)
    expect(board.locator(f"{CELLS}[data-phase=healthy]")).to_have_count(2)


def test_a_killed_server_covers_the_page_and_its_return_uncovers_it(board: Page, rig: Rig) -> None:
    patience = "p => document.documentElement.style.setProperty('--patience', p)"
    rig.server.signal(signal.SIGKILL)
    rig.server.ended()
    assert (
        board.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--patience')") == "19s"
    )
    board.evaluate(patience, "300ms")
    expect(board.locator(".stale")).to_have_css("opacity", "1")
    expect(board.locator("#foot .live")).to_have_css("opacity", "0")
    board.evaluate(patience, "19s")
    expect(board.locator("html")).to_have_attribute("data-lost", "")
    rig.open.ship("load-01", "load-0001", "8.8.8")
    rig.serve()
    expect(board.locator("html")).not_to_have_attribute("data-lost", "")
    expect(board.locator(".stale")).to_have_css("opacity", "0")
    expect(board.locator("#s-load-0001 .ver").first).to_have_text("8.8.8")
    expect(board.locator(f"{CELLS}[data-phase=healthy]")).to_have_count(2)
    fresh = board.context.new_page()
    fresh.goto(board.url)
    assert content(board) == content(fresh)
