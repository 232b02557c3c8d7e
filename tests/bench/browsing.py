"""A site of 200 services in 4 environments and a browser that looks at it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from app.domain.facts import Fact
from tests import machine
from tests.e2e.conftest import QUIET
from tests.e2e.test_workload_live import Running
from tests.web.site import look, sources

SERVICES, ENVIRONMENTS = 200, ("dev", "test", "staging", "production")


def facts(version: str = "1.0.0") -> list[Fact]:
    """A fleet of which everything is good."""
    return [look(f"service-{n:03d}", where, version) for n in range(SERVICES) for where in ENVIRONMENTS]


@contextmanager
def site() -> Iterator[Running]:
    """The product's web part over that fleet, in this process."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        running = Running(Path(folder), [*sources(), *facts()])
        try:
            yield running
        finally:
            running.close()


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless, without a GPU: what is drawn is drawn by the CPU."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=machine.browser(), args=QUIET)
        yield started
        started.close()


def desk(of: Browser) -> Page:
    """A page of 1920 x 1080 that has nothing kept from before."""
    return of.new_context(viewport={"width": 1920, "height": 1080}).new_page()


def cpu() -> float:
    """Seconds that all of Chromium's processes below this one have used: browser, renderers, GPU, utilities."""
    spent = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                spent += sum(process.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return spent
