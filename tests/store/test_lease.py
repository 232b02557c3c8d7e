"""A lease has one holder: one that dies, freezes or lets go is followed, and one that lost it stops."""

import asyncio
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from app.domain.errors import StoreUnavailable
from app.store.lease import LeaseLost, Leases
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
CHILD = """
import asyncio, sys
from app.store.db import Database
from app.store.lease import LeaseLost, Leases
async def main():
    leases = Leases(await Database.open(sys.argv[1]), place=sys.argv[2], lasts=float(sys.argv[3]))
    try:
        async with leases.lease("x") as held:
            print("held", held.epoch, flush=True)
            await asyncio.sleep(60)
    except LeaseLost:
        print("lost", flush=True)
asyncio.run(main())
"""


@asynccontextmanager
async def elsewhere(url: str, place: str = "", lasts: float = 1.5):
    """Another process, which holds the lease."""
    command = [sys.executable, "-c", CHILD, url, place, str(lasts)]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        await said(child, "held")
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def said(child, word: str) -> None:
    """Wait for a line that begins so; others are of the log."""
    async with asyncio.timeout(60):
        while not (line := await child.stdout.readline()).startswith(word.encode()):
            assert line, f"it ended without {word}"


async def test_file_of_one_process_grants_every_lease(tmp_path):
    async with opened(f"sqlite:///{tmp_path / 'x.db'}") as database, Leases(database).lease("x") as held:
        assert held.name == "x"


async def test_second_waits_until_the_first_lets_go(postgres_url):
    async with opened(postgres_url) as database:
        one, two = Leases(database), Leases(database)
        order: list[str] = []

        async def second() -> None:
            async with two.lease("x") as held:
                order.append(f"two {held.epoch}")

        async with one.lease("x"), one.lease("another"):
            waiting = asyncio.create_task(second())
            async with two.lease("a third"):
                order.append("one")
        await asyncio.wait_for(waiting, 60)
        assert order == ["one", "two 2"]


async def test_killed_holder_is_followed_and_at_its_own_place_at_once(postgres_url):
    async with opened(postgres_url) as database:
        with anyio.fail_after(60):
            async with elsewhere(postgres_url, "here", lasts=600) as child:
                child.kill()
                async with Leases(database, place="here").lease("x") as held:
                    assert held.epoch == 2
            async with elsewhere(postgres_url) as child:
                child.kill()
                async with Leases(database).lease("x") as held:
                    assert held.epoch == 4


async def test_frozen_holder_is_followed_and_stops_when_it_thaws(postgres_url):
    async with opened(postgres_url) as database, elsewhere(postgres_url) as child:
        child.send_signal(signal.SIGSTOP)
        with anyio.fail_after(60):
            async with Leases(database).lease("x") as held:
                assert held.epoch == 2
                child.send_signal(signal.SIGCONT)
                await said(child, "lost")


async def test_work_ends_when_the_database_stays_away_and_begins_anew(postgres_url):
    async with opened(postgres_url) as database:
        leases = Leases(database, lasts=0.4)
        begun = ended = 0
        again = asyncio.Event()

        async def work() -> None:
            nonlocal begun, ended
            begun += 1
            if begun == 2:
                again.set()
                return
            async with database.writing():  # nobody else of this process can write meanwhile
                try:
                    await asyncio.sleep(60)
                finally:
                    ended += 1

        with anyio.fail_after(60):
            await leases.alone("x", work)()
        assert (begun, ended) == (2, 1)


async def test_failure_of_the_work_passes_and_lets_go(postgres_url):
    async with opened(postgres_url) as database:
        with pytest.raises(StoreUnavailable, match="of its own"):
            async with Leases(database).lease("x"):
                raise StoreUnavailable("A trouble of its own.")
        with pytest.raises(TimeoutError, match="inner"):
            async with Leases(database).lease("x"):
                raise TimeoutError("inner")
        with anyio.fail_after(5):
            async with Leases(database).lease("x"):
                pass
        assert not issubclass(LeaseLost, StoreUnavailable)
