"""Clients that trickle are dropped, whatever they trickle; those that only listen are not (SR-48)."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import uvicorn

from app.web.patience import HEAD_BYTES, PatientProtocol

pytestmark = pytest.mark.anyio
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Hasty(PatientProtocol):
    head_seconds = body_seconds = 0.3


async def app(scope, receive, send) -> None:
    """Answers with the size of a body; a GET of /stream with a word every 0.1 s, for 1 s."""
    size, more = 0, True
    while more:
        event = await receive()
        size, more = size + len(event.get("body", b"")), event.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(10 if scope["path"] == "/stream" else 0):
        await send({"type": "http.response.body", "body": b"word ", "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": f"{size} bytes".encode()})


@pytest.fixture
async def port():
    config = uvicorn.Config(app, port=0, http=Hasty, lifespan="off", log_config=None, timeout_keep_alive=60)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


@asynccontextmanager
async def connected(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def trickled(port: int, first: bytes, each: bytes) -> bytes:
    """What is answered to who says `first` and then `each` every 50 ms, until the connection ends."""
    async with connected(port) as (reader, writer), asyncio.timeout(60):
        answer = asyncio.create_task(reader.read())
        writer.write(first)
        while not answer.done():
            writer.write(each)
            await asyncio.wait([answer], timeout=0.05)
        return bytes(await answer)


@pytest.mark.parametrize(
    ("first", "each"),
    [
        (b"", b""),
        (b"G", b"E"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"x-a: b\r\n"),
        (POST, b"x"),
        (POST.replace(b"content-length: 100000", b"transfer-encoding: chunked"), b"1\r\nx\r\n"),
    ],
)
async def test_who_trickles_is_dropped(port, first, each):
    answer = await trickled(port, first, each)
    # "GEEE" is no method, which is told at once.
    assert answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")) if first else answer == b""


async def test_second_request_of_a_connection_has_a_clock_of_its_own(port):
    async with connected(port) as (reader, writer), asyncio.timeout(60):
        writer.write(GET)
        assert b"0 bytes" in await reader.readuntil(b"bytes\r\n0\r\n\r\n")
        await asyncio.sleep(0.5)  # idle for longer than a head may take, which is no trickling
        writer.write(GET)
        assert b"0 bytes" in await reader.readuntil(b"bytes\r\n0\r\n\r\n")
        writer.write(b"GET / HT")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_stream_and_a_large_body_that_flows_are_let_be(port):
    async with connected(port) as (reader, writer), asyncio.timeout(60):
        writer.write(GET.replace(b"/ ", b"/stream "))
        assert (await reader.readuntil(b"0 bytes")).count(b"word ") == 10
    async with connected(port) as (reader, writer), asyncio.timeout(60):
        writer.write(POST)
        for _ in range(10):
            writer.write(b"x" * 10_000)
            await writer.drain()
            await asyncio.sleep(0.06)
        assert b"100000 bytes" in await reader.readuntil(b"bytes")


async def test_head_without_end_is_cut_off(port):
    async with connected(port) as (reader, writer), asyncio.timeout(60):
        writer.write(b"GET / HTTP/1.1\r\n" + b"x-a: " + b"y" * (HEAD_BYTES + 1))
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
