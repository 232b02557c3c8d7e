"""Run by hand: does the time of a refusal tell who is there?   python -m tests.web.auth.timing [TRIES]

Known names with a wrong password and unknown names take turns, with nothing counted, so that no limit comes into play.
How far their medians are apart is held against random divisions of all times, which are the noise.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from app.store.people import ACCOUNT, ATTEMPT
from app.web.auth.limits import Limits
from app.web.auth.passwords import Passwords
from tests.web.auth.door import LOCAL, door


async def measured(tries: int, home: Path) -> dict[str, list[float]]:
    """Milliseconds of each sign-in, by kind."""
    found: dict[str, list[float]] = {"known": [], "unknown": []}
    async with door(home, LOCAL) as here:
        here.keeper.passwords = Passwords()  # the real one
        for number in range(tries):
            await here.account(f"user{number}", "viewer")
        real = Passwords().hashed("the password of them all")
        async with here.keeper.database.writing() as session:
            await (await session.connection()).execute(ACCOUNT.update().values(password=real))
        turns = [(kind, number) for kind in found for number in range(tries)]
        random.shuffle(turns)
        for kind, number in turns:
            here.keeper.limits = Limits()
            async with here.keeper.database.writing() as session:
                await (await session.connection()).execute(ATTEMPT.delete())
            name = f"user{number}" if kind == "known" else f"nobody{number}"
            began = time.perf_counter()
            answer = await here.ask("POST", "/login", data={"user": name, "password": "wrong, and long"})
            found[kind].append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 401, answer.status_code
    return found


def main(tries: str = "100") -> None:
    """Measure, and print medians with the noise of the known ones among themselves."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measured(int(tries), Path(folder)))
    for kind, times in found.items():
        print(f"{kind}: n={len(times)} median {statistics.median(times):.1f} ms, quartiles "
              f"{', '.join(f'{q:.1f}' for q in statistics.quantiles(times))}")  # fmt: skip
    known, unknown = found["known"], found["unknown"]
    draws = []
    for _ in range(2000):  # how far apart the medians of two halves of all are, if the kind means nothing
        mixed = random.sample(known + unknown, len(known) + len(unknown))
        draws.append(abs(statistics.median(mixed[: len(known)]) - statistics.median(mixed[len(known) :])))
    apart = abs(statistics.median(known) - statistics.median(unknown))
    share = sum(draw >= apart for draw in draws) / len(draws)
    print(f"medians {apart:.2f} ms apart; {share:.0%} of 2000 random divisions are further apart")


if __name__ == "__main__":
    main(*sys.argv[1:])
