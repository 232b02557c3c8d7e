"""How long a client may take to say what it wants: heads and bodies that trickle are dropped, streams out are not.

The server below waits for ever for the rest of a head or a body, and keeps a head of any size until it is whole.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""From the first byte of a request (or the opening of a connection) to the end of its head."""
HEAD_BYTES = 64 * 1024
"""Bytes of a head; that many headers are refused with a page (web.auth.guard) long before."""
BODY_SECONDS, BODY_RATE = 20.0, 1000.0
"""Seconds that any body may take, and bytes for which it gets another second."""

_ANSWER = (
    b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
    b"cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n%b"
)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a clock. One a connection."""

    head_seconds, body_seconds = HEAD_SECONDS, BODY_SECONDS
    _clock: asyncio.TimerHandle | None = None
    _in_head = False
    _bytes = 0
    _ends = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count, and let the parser read on."""
        answering = bool(self.cycle) and not self.cycle.response_complete
        if self._clock is None and not answering:  # the first bytes of another request on this connection
            self._wait_for_head()
        self._bytes += len(data)
        if not self._in_head and self._clock is not None:
            self._ends += len(data) / BODY_RATE
        super().data_received(data)
        if self._in_head and self._bytes > HEAD_BYTES:
            self._end(b"431 Request Header Fields Too Large", b"The head of this request is too large.\n")

    def on_headers_complete(self) -> None:
        """A head is there: from now on its body is waited for."""
        super().on_headers_complete()
        self._stop()
        self._in_head, self._bytes = False, 0
        self._ends = self.loop.time() + self.body_seconds
        self._clock = self.loop.call_at(self._ends, self._look)

    def on_message_complete(self) -> None:
        """All is there."""
        self._stop()
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        self._in_head, self._bytes = True, 0
        self._ends = self.loop.time() + self.head_seconds
        self._clock = self.loop.call_at(self._ends, self._look)

    def _stop(self) -> None:
        if self._clock:
            self._clock.cancel()
            self._clock = None

    def _look(self) -> None:
        if self.loop.time() < self._ends:  # more came meanwhile
            self._clock = self.loop.call_at(self._ends, self._look)
            return
        self._end(b"408 Request Timeout", b"The request did not come in time.\n")

    def _end(self, status: bytes, said: bytes) -> None:
        self._stop()
        if self.transport.is_closing():
            return
        # Who has sent nothing is told nothing, and an answer that has begun is not written into.
        if self._bytes if self._in_head else not self.cycle.response_started:
            self.transport.write(_ANSWER % (status, len(said), said))
        self.transport.close()
