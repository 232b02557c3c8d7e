"""Places where a test may end or stop the process: SHIPBOARD_FAILPOINT=perform.after_claim:kill.

Read once, at the import; unset, as it is everywhere but in tests, nothing here does anything.
"""

from __future__ import annotations

import os
import signal

STEPS = (
    "after_intent",
    "after_claim",
    "before_write",
    "after_first_write",
    "after_write",
    "after_sent",
    "before_done",
)
"""All of them, in the order they are reached."""
_STEP, _, _DEED = os.environ.get("SHIPBOARD_FAILPOINT", "").removeprefix("perform.").partition(":")
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}


def reached(step: str) -> None:
    """A step of the way was reached."""
    if step == _STEP and (number := _SIGNALS.get(_DEED)):
        os.kill(os.getpid(), number)
