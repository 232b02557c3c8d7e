"""2,000 open streams of one board on one process with an update a second: delivery, drops, memory."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.parse

from .rig import Row, child, cpu_seconds, demo, product, quantile, rss_mb

STREAMS, SECONDS = 2000, 20


def run() -> list[Row]:
    """Flips one pod a second; every stream must deliver the changed row. Ratio: product CPU per delivered message
    against a bare asyncio loop that writes the same bytes to the same number of sockets."""
    with demo(50, 4) as cluster, product(cluster.kubeconfig) as (process, url):
        at_rest = rss_mb(process.pid)
        used = cpu_seconds(process.pid)
        seen = child("tests.bench.streams", url, cluster.url, cluster.token)
        used = cpu_seconds(process.pid) - used
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
        Row(
            "CPU a delivered message",
            f"{used / max(1, seen['messages']) * 1e6:.0f} us",
            f"{used / max(1, seen['messages']) / seen['bare']:.1f} x bare write",
        ),
    ]


async def _read(
    url: urllib.parse.SplitResult, state: dict[str, object], delays: list[float], started: asyncio.Event
) -> int:
    """One stream, read raw. Returns how many updates it saw."""
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=4 << 20)
    writer.write(f"GET / HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode())
    seen = 0
    state["open"] = int(str(state["open"])) + 1
    try:
        while line := await reader.readline():
            if b"load-0000" in line and started.is_set() and state["at"] != state.get(id(reader)):
                state[id(reader)] = state["at"]  # type: ignore[index]
                delays.append(time.monotonic() - float(str(state["at"])))
                seen += 1
            state["messages"] = int(str(state["messages"])) + (line[:5] == b"data:")
        state["dropped"] = int(str(state["dropped"])) + 1
    except asyncio.CancelledError:
        pass
    finally:
        writer.close()
    return seen


async def _client(product_url: str, api: str, token: str) -> dict[str, object]:
    import resource

    import aiohttp

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    state: dict[str, object] = {"open": 0, "dropped": 0, "messages": 0, "at": 0.0}
    delays: list[float] = []
    started = asyncio.Event()
    url = urllib.parse.urlsplit(product_url)
    tasks = []
    for number in range(STREAMS):
        tasks.append(asyncio.create_task(_read(url, state, delays, started)))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    await asyncio.sleep(5)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(
            f"{api}/api/v1/namespaces/load-00/pods", params={"labelSelector": ""}
        ) as answer:
            names = [p["metadata"]["name"] for p in (await answer.json())["items"]]
        pod = next(n for n in names if n.startswith("load-0000"))
        state["messages"] = 0
        for beat in range(SECONDS):
            body = {"namespace": "load-00", "name": pod, "value": beat % 2 == 1}
            state["at"] = time.monotonic()
            started.set()
            async with session.post(f"{api}/_bench/ready", json=body) as answer:
                await answer.read()
            await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    counts = await asyncio.gather(*tasks)
    missed = sum(SECONDS - count for count in counts)
    return {
        "delays": delays,
        "dropped": state["dropped"],
        "missed": missed,
        "messages": state["messages"],
        "bare": await _bare(),
    }


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
