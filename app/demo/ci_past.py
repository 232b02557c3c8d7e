"""Twelve weeks of what the demo's CI deployed to production before the board was there: commits and deployments that
ended, some of which failed. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from app.demo.ci_payloads import Build

DAY = 86_400.0
WEEKS = 12
FAILS = 0.07
Event = tuple[str, dict[str, Any]]


def deployments(service: str, version: str, changed: float, now: float) -> Iterator[Event]:
    """Webhooks, oldest first, of one service up to `changed` hours ago; it ships the more often the fresher it is."""
    dice = random.Random(f"{service} {version}")
    every = (1.2 if changed < 40 else 2.6 if changed < 120 else 6.0) * DAY
    at, step = now - WEEKS * 7 * DAY, 0
    end = now - max(changed * 3600, 2 * DAY)
    while (at := at + every * dice.uniform(0.3, 1.7)) < end:
        step += 1
        for change in range(dice.choice((1, 1, 1, 2, 3))):
            build = Build(service, f"{version}-past-{step}-{change}")
            build.began = build.touched = at - dice.uniform(0.6, 9.0) * 3600 * (1.6 - at / now * 0.6)
            yield "push", build.push()
        yield from _deployed(build, at, dice)
        if dice.random() < FAILS:
            again = Build(service, f"{version}-past-{step}-mend")
            again.began = again.touched = at + dice.uniform(300, 2400)
            yield "push", again.push()
            yield from _deployed(again, again.began + dice.uniform(600, 3000), dice, good=True)


def _deployed(build: Build, at: float, dice: random.Random, *, good: bool = False) -> Iterator[Event]:
    state = "failure" if not good and dice.random() < FAILS else "success"
    yield "deployment", build.deployment("production", at - 240)
    yield "deployment_status", build.deployment_status("production", at - 240, state, at)
