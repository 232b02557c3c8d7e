"""The browser of the end-to-end tests: the machine's own Chromium or Chrome, headless and quiet."""

from typing import Any

import pytest

from tests import machine

QUIET = [
    "--no-sandbox",  # it only ever opens pages of ours, and CI is root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--host-resolver-rules=MAP *.test 127.0.0.1",  # cross-site tests need a second site
]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": machine.browser(), "args": QUIET}


@pytest.fixture(scope="session", autouse=True)
def assets() -> None:
    """Pages are nothing without their style and script."""
    if not (machine.ROOT / "static/vendor/manifest.json").exists():
        machine.lacks("the front-end assets are missing: run `make setup`")
