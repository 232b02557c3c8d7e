"""What the machine under the tests has: a browser, kubectl; and what a test does about what is missing."""

import functools
import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]


def lacks(reason: str) -> NoReturn:
    """Skip the test for want of something this machine has not got; in CI (`CI=true`) fail it instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def browser() -> str:
    """The path of a Chromium or Chrome, as .ci/browser finds it."""
    return _found("browser")


def kubectl() -> str:
    """The path of a kubectl that is new enough, as .ci/kubectl finds it."""
    return _found("kubectl")


@functools.cache
def _found(what: str) -> str:
    found = subprocess.run(["sh", ROOT / ".ci" / what, "find"], capture_output=True, text=True)
    if found.returncode:
        lacks(found.stderr.strip())
    return found.stdout.strip()
