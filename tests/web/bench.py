"""What a stream costs: `python -m tests.web.bench [STREAMS] [SECONDS] [SERVICES]`.

The server is a process of its own and changes one service a second; this one opens the streams of the board
and measures from before the change is ingested to its arrival. Prints latency, CPU a message and memory.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import psutil
import uvloop

from app.domain.facts import Fact
from app.domain.rollout import Phase
from app.web import server
from tests.web.site import look, site, sources

_STAMP = re.compile(rb"t(\d{10,})t</span>")


class Reader(asyncio.Protocol):
    """One stream: notes when stamps arrive."""

    open = 0
    heard: ClassVar[list[float]] = []

    def connection_made(self, transport) -> None:
        self.last = b""
        transport.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
        Reader.open += 1

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        for stamp in set(_STAMP.findall(data)):
            if stamp > self.last:
                self.last = stamp
                Reader.heard.append((now - int(stamp)) / 1e9)

    def connection_lost(self, error) -> None:
        Reader.open -= 1


async def serve(services: int) -> None:
    server.raise_file_limit()
    facts: list[Fact] = [*sources()]
    facts += [look(f"svc-{i}", e) for i in range(services) for e in ("staging", "production")]
    with tempfile.TemporaryDirectory() as directory:
        async with site(Path(directory), facts) as here:
            print(here.port, flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                if line == "change\n":
                    version = f"t{time.monotonic_ns()}t"
                    await here.ingest([look("svc-1", version=version, phase=Phase.PROGRESSING), *sources()])
                if line == "count\n":
                    print(here.hub.streams, flush=True)


async def load(streams: int, seconds: int, services: int) -> None:
    server.raise_file_limit()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.web.bench",
        "serve",
        str(services),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin
    assert child.stdout
    port = int(await child.stdout.readline())
    process = psutil.Process(child.pid)
    empty = process.memory_info().rss
    loop = asyncio.get_running_loop()
    started = time.monotonic()
    transports = []
    for at in range(0, streams, 50):
        made = [loop.create_connection(Reader, "127.0.0.1", port) for _ in range(min(50, streams - at))]
        transports += [transport for transport, _ in await asyncio.gather(*made)]
    await asyncio.sleep(3)
    print(f"{Reader.open} streams opened in {time.monotonic() - started - 3:.1f} s")
    Reader.heard.clear()
    before = process.cpu_times()
    for _ in range(seconds):
        child.stdin.write(b"change\n")
        await asyncio.sleep(1)
    await asyncio.sleep(1)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    heard = sorted(Reader.heard)
    rss = process.memory_info().rss
    print(
        f"{streams} streams, {services} services, {seconds} changes: {len(heard)} of {streams * seconds} heard, "
        f"open at the end {Reader.open}\n"
        f"latency p50 {heard[len(heard) // 2] * 1e3:.0f} ms, "
        f"p99 {heard[int(len(heard) * 0.99)] * 1e3:.0f} ms, "
        f"worst {heard[-1] * 1e3:.0f} ms\n"
        f"server CPU {spent:.2f} s of {seconds + 1} s = {spent / len(heard) * 1e6:.0f} us a message\n"
        f"server RSS {rss / 1e6:.0f} MB, of it {(rss - empty) / streams / 1e3:.1f} kB a stream"
    )
    for transport in transports:
        transport.abort()
    child.stdin.close()
    await child.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(int(sys.argv[2])))
    else:
        streams, seconds, services = [*map(int, sys.argv[1:]), *(2000, 20, 100)[len(sys.argv) - 1 :]]
        uvloop.run(load(streams, seconds, services))
