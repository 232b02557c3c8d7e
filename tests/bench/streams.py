"""2,000 open streams of one board on one process with an update a second: delivery, drops, memory."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .rig import ROOT, Row, cpu_seconds, demo, product, quantile, rss_mb

STREAMS, SECONDS = 2000, 20


def run() -> list[Row]:
    """Turns one pod over a second; every stream must deliver the changed row. Ratio: the product's CPU a delivered
    message, all of its work counted, against a bare asyncio loop that writes as many bytes to one socket."""
    with demo(50, 4) as cluster, product(cluster.kubeconfig) as (process, url):
        at_rest = rss_mb(process.pid)
        command = [sys.executable, "-m", "tests.bench.streams", url, cluster.url, cluster.token]
        client = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert client.stdout
        client.stdout.readline()
        used = cpu_seconds(process.pid)
        seen: dict[str, Any] = json.loads(client.stdout.readline())
        used = (cpu_seconds(process.pid) - used) / max(1, seen["messages"])
        memory = rss_mb(process.pid)
    p99 = quantile(seen["delays"], 0.99)
    return [
        Row(f"{STREAMS} streams: delivery p50", f"{quantile(seen['delays'], 0.5) * 1000:.0f} ms"),
        Row(f"{STREAMS} streams: delivery p99", f"{p99 * 1000:.0f} ms", "", "p99 <= 1 s", p99 <= 1.0),
        Row(f"{STREAMS} streams: dropped", str(seen["dropped"]), "", "0", seen["dropped"] == 0),
        Row(f"{STREAMS} streams: updates missed", str(seen["missed"]), "", "0", seen["missed"] == 0),
        Row(
            f"{STREAMS} streams: memory",
            f"{memory:.0f} MB (+{memory - at_rest:.0f})",
            "",
            "<= 400 MB",
            memory <= 400,
        ),
        Row("CPU a delivered message", f"{used * 1e6:.0f} us", f"{used / seen['bare']:.1f} x bare write"),
    ]


@dataclass(slots=True)
class Tally:
    """What all streams together saw. `at` is when the change that is under way was asked for (0: none yet)."""

    at: float = 0.0
    messages: int = 0
    dropped: int = 0
    delays: list[float] = field(default_factory=list)


async def _read(url: urllib.parse.SplitResult, tally: Tally) -> int:
    """One stream, read raw until cancelled. Returns how many of the changes it delivered."""
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=4 << 20)
    writer.write(f"GET / HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode())
    seen, last = 0, 0.0
    try:
        while line := await reader.readline():
            tally.messages += line == b"\n"
            if tally.at != last and b'hx-target="#s-load-0000"' in line:
                last = tally.at
                tally.delays.append(time.monotonic() - last)
                seen += 1
        tally.dropped += 1
    except asyncio.CancelledError:
        pass
    finally:
        writer.close()
    return seen


async def _client(product_url: str, api: str, token: str) -> dict[str, object]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tally, url = Tally(), urllib.parse.urlsplit(product_url)
    tasks = []
    for number in range(STREAMS):
        tasks.append(asyncio.create_task(_read(url, tally)))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    await asyncio.sleep(5)
    async with aiohttp.ClientSession(api, headers={"Authorization": f"Bearer {token}"}) as session:
        async with session.get("/api/v1/namespaces/load-00/pods") as answer:
            names = [pod["metadata"]["name"] for pod in (await answer.json())["items"]]
        pod = next(name for name in names if name.startswith("load-0000"))
        tally.messages = 0
        print("ready", flush=True)
        for beat in range(SECONDS):
            tally.at = time.monotonic()
            body = {"namespace": "load-00", "name": pod, "value": beat % 2 == 1}
            async with session.post("/_bench/ready", json=body) as answer:
                await answer.read()
            await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    missed = sum(SECONDS - seen for seen in await asyncio.gather(*tasks))
    figures = {"delays": tally.delays, "dropped": tally.dropped, "missed": missed, "messages": tally.messages}
    return {**figures, "bare": await _bare()}


async def _bare() -> float:
    """Seconds of CPU that writing one row-sized message to one socket takes a loop that does nothing else."""
    messages, payload = 20000, b"data: " + b"x" * 1500 + b"\n\n"

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            pass

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    started = time.process_time()
    for number in range(messages):
        writer.write(payload)
        if number % 10 == 9:
            await writer.drain()
    used = (time.process_time() - started) / messages
    writer.close()
    server.close()
    return used


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_client(*sys.argv[1:4]))))
