"""A proxy before a PostgreSQL server that takes chosen COMMITs and their connections away, or the whole server.

It listens on a Unix socket, as the server does. A COMMIT is lost on its way there ("before": it never was), or its
answer on the way back ("after": it was, and nobody was told).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import make_url

SOCKET = ".s.PGSQL.5432"
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query as libpq sends it: its kind, its length and its text (PostgreSQL's protocol 3.0)."""


class PostgresProxy:
    """`fate` is asked about each COMMIT: "", "before" or "after"; `cut` counts what it answered."""

    def __init__(self, url: str, home: Path) -> None:
        address = make_url(url)
        self._upstream = str(Path(str(address.query["host"]), SOCKET))
        self.url = address.update_query_dict({"host": str(home)}).render_as_string(hide_password=False)
        self.fate: Callable[[], str] = str
        self.cut: Counter[str] = Counter()
        self._gone = False
        self._open: set[asyncio.StreamWriter] = set()

    def leave(self) -> None:
        """Cut every connection, and take no new ones until `come_back`."""
        self._gone = True
        for writer in self._open:
            writer.transport.abort()

    def come_back(self) -> None:
        """Be there again."""
        self._gone = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        if self._gone:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(self._upstream)
        self._open |= {writer, up_writer}
        silent = False

        async def back() -> None:
            while data := await up_reader.read(65536):
                if silent:  # it answered, so it was done
                    break
                writer.write(data)
                await writer.drain()
            writer.close()

        answers = asyncio.create_task(back())
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                fate = self.fate() if data == COMMIT else ""
                if fate:
                    self.cut[fate] += 1
                if fate == "before":
                    break
                silent = fate == "after"
                up_writer.write(data)
                await up_writer.drain()
        up_writer.close()
        writer.close()
        self._open -= {writer, up_writer}
        with suppress(ConnectionError):
            await answers


@asynccontextmanager
async def postgres_proxy(url: str, home: Path) -> AsyncIterator[PostgresProxy]:
    """A proxy before the server of `url`, which listens in the directory `home`."""
    made = PostgresProxy(url, home)
    server = await asyncio.start_unix_server(made.serve, home / SOCKET)
    try:
        yield made
    finally:
        made.leave()
        server.close()
