"""What the machine under the tests has: a browser or not; and what a test does about what is missing."""

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
    found = subprocess.run(["sh", ROOT / ".ci/browser", "find"], capture_output=True, text=True)
    if found.returncode:
        lacks(found.stderr.strip())
    return found.stdout.strip()
