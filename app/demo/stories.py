"""What happens in the fleet, over and over: each story moves one workload and waits for it, or for a
person.

A story never fights its viewers: it looks at the object before each move, goes on after whatever they did,
and ends when the workload is deleted. Where it waits for a person it does so for `PATIENCE`; then an
imagined colleague acts, so that an unwatched demo goes on too.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from app.demo import flagger, kept, pairs
from app.demo.teller import GoneError, Teller, broken, complete, healthy, observed, waiting

log = logging.getLogger(__name__)
PATIENCE = 1500.0
BRIEF = 600.0
"""Where others wait for a person too."""
CALM = 150.0
Story = Callable[[Teller], Coroutine[Any, Any, None]]


async def _tell(teller: Teller, chapter: Callable[[Teller], Any], calm: float) -> None:
    await teller.sleep(teller.delay)
    try:
        while True:
            await chapter(teller)
            await teller.sleep(calm)
    except GoneError as why:
        log.info("a story ends, its workload is gone: %s", why)
    except Exception:
        log.exception("the story of %s in %s broke off", teller.name, teller.namespace)


def updates(calm: float = CALM) -> Story:
    """Updates that go through, one after the other."""

    async def story(teller: Teller) -> None:
        async def chapter(teller: Teller) -> None:
            if not teller.look()["spec"].get("paused"):
                teller.ship(teller.next_image())
                await teller.until(complete, 600)

        await _tell(teller, chapter, calm)

    return story


async def timed_canary(teller: Teller) -> None:
    """A canary whose pauses end by themselves."""

    async def chapter(teller: Teller) -> None:
        if healthy(teller.look()):
            teller.ship(teller.next_image())
        await teller.until(healthy, 900)

    await _tell(teller, chapter, 1.5 * CALM)


async def gated_canary(teller: Teller) -> None:
    """A canary that waits at 25 % for a person."""
    await _tell(teller, _gate, CALM)


async def switch(teller: Teller) -> None:
    """A blue-green release that waits for a person before the switch."""
    await _tell(teller, _gate, 2 * CALM)


async def _gate(teller: Teller) -> None:
    if healthy(teller.look()):
        teller.ship(teller.next_image())
        await teller.until(lambda obj: observed(obj) and not healthy(obj), 30)
    if not await teller.until(healthy, PATIENCE) and waiting(teller.look()):
        teller.promote()


async def partitioned(teller: Teller) -> None:
    """A StatefulSet whose last pod is the canary; the partition waits for a person to open it."""

    async def chapter(teller: Teller) -> None:
        if complete(teller.look()):
            last = teller.look()["spec"].get("replicas", 1) - 1
            strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": max(0, last)}}
            teller.ship(teller.next_image(), updateStrategy=strategy)
            await teller.until(lambda obj: not complete(obj), 30)
        if not await teller.until(complete, PATIENCE):
            teller.open_partition()
        await teller.until(complete, 300)

    await _tell(teller, chapter, 2 * CALM)


def from_git(calm: float = 6 * CALM) -> Story:
    """Updates that are pushed, and applied by who keeps the workload. While that is held nothing is pushed."""

    async def story(teller: Teller) -> None:
        async def chapter(teller: Teller) -> None:
            if (
                complete(teller.look())
                and kept.wanted(teller.cluster, teller.name, teller.namespace) == teller.image()
            ):
                image = teller.next_image()
                kept.push(teller.cluster, teller.name, teller.namespace, image)
                await teller.until(lambda obj: teller.image() == image and complete(obj), 300)

        await _tell(teller, chapter, calm)

    return story


async def colours(teller: Teller) -> None:
    """Two Deployments behind a Service: the idle one gets the new version and waits for the switch; after it the other
    one is kept for a while, for going back."""

    async def chapter(teller: Teller) -> None:
        was = pairs.colour(teller.look())
        old, new = (teller.beside(f"{teller.name}-{one}") for one in (was, pairs.other(was)))
        new.ship(old.next_image(), replicas=old.look()["spec"]["replicas"])
        await new.until(complete, 600)
        if not await teller.until(lambda obj: pairs.colour(obj) != was, BRIEF):
            pairs.switch(teller.cluster, teller.namespace, teller.name, was)
        await teller.sleep(CALM)
        idle = teller.beside(f"{teller.name}-{pairs.other(pairs.colour(teller.look()))}")
        idle.scale(0)

    await _tell(teller, chapter, 6 * CALM)


async def weighed(teller: Teller) -> None:
    """A Deployment with a canary beside it, whose share a route tells: a tenth, then a quarter, then it waits for a
    person, who promotes it or takes it back."""

    async def chapter(teller: Teller) -> None:
        canary, share = (
            teller.beside(f"{teller.name}-canary"),
            pairs.Share(teller.cluster, teller.namespace, teller.name),
        )
        canary.ship(teller.next_image(), replicas=1)
        await canary.until(complete, 600)
        for weight in (10, 25):
            if share.now() != (weight == 25 and 10):
                break  # somebody else set it
            share.set(weight)
            await teller.sleep(45.0)
        if not await teller.until(lambda _: share.now() == 0 or teller.image() == canary.image(), BRIEF):
            teller.ship(canary.image())
        await teller.until(complete, 600)
        share.set(0)
        canary.scale(0)

    await _tell(teller, chapter, 6 * CALM)


async def confirmed(teller: Teller) -> None:
    """The target of a Canary gets the next version; Flagger asks its hooks, which is where it waits for a person."""

    async def chapter(teller: Teller) -> None:
        if teller.phase_of_canary() in flagger.IDLE:
            teller.ship(teller.next_image())
            await teller.until(lambda _: teller.phase_of_canary() not in flagger.IDLE, 60)
        await teller.until(lambda _: teller.phase_of_canary() in flagger.IDLE, PATIENCE)

    await _tell(teller, chapter, 2 * CALM)


def stuck(*ways: str, patience: float = PATIENCE, calm: float = 2 * CALM) -> Story:
    """A release that gets stuck, in turn in each of these ways (`Controllers.behaviour`), past its deadline if it
    has one, and is taken back when patience ends."""

    async def story(teller: Teller) -> None:
        turn = itertools.cycle(ways)

        async def chapter(teller: Teller) -> None:
            good, bad = teller.spoil(next(turn))
            if not await teller.until(lambda _: teller.image() != bad, patience):
                teller.ship(good["spec"]["containers"][0]["image"], template=good)
            await teller.until(complete, 300)

        await _tell(teller, chapter, calm)

    return story


async def blocked(teller: Teller) -> None:
    """A StatefulSet whose last pod breaks; the release that mends it cannot pass until that pod is deleted."""

    async def chapter(teller: Teller) -> None:
        good, bad = teller.spoil("crash")
        await teller.until(lambda _: teller.has(broken), 120)
        if teller.image() == bad:
            teller.mend(good)
        if not await teller.until(complete, PATIENCE):
            teller.delete(broken)
        await teller.until(complete, 300)

    await _tell(teller, chapter, CALM)
