"""A TCP proxy before an API server that cuts the connection of chosen writes: before they get through, or after they
were answered and before the answer comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Proxy:
    """`cuts` are the fates of the writes to come, in order: "answer", "request" or "" (passes); then all pass."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self.url = ""
        self.writes = 0
        self.cut = 0
        self.cuts: Iterator[str] = iter(())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        fate = ""

        async def back() -> None:
            while data := await up_reader.read(65536):
                if fate == "answer":
                    self.cut += 1
                    break
                writer.write(data)
                await writer.drain()
            writer.close()

        answers = asyncio.create_task(back())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                first = data.split(b"\r\n", 1)[0]
                if first.startswith((b"PATCH ", b"DELETE ")) and b"dryRun" not in first:
                    self.writes += 1
                    fate = next(self.cuts, "")
                if fate == "request":
                    self.cut += 1
                    break
                up_writer.write(data)
                await up_writer.drain()
        up_writer.close()
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await answers


@asynccontextmanager
async def proxy(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy before the server at `upstream`."""
    made = Proxy(upstream)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
