"""The server process: a port of its own, as many files as it may have, and an end that loses nothing.

SIGTERM: /ready turns 503 at once while everything is still served, since load balancers take a while to look
away; then the port closes, streams say goodbye, requests in flight finish, and the parts are shut down. A
second signal skips the wait, and so does SIGINT, which a person sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from .patience import PatientProtocol

FINISH_SECONDS = 4
"""How long requests in flight may take to finish once the port is closed."""
BACKLOG = 2048

GARBAGE = (100_000, 50, 50)
"""Thresholds of the garbage collector. A list of 10,000 pods allocates without leaving cycles behind; at
Python's own thresholds, half of the time it takes is spent looking for some."""

log = structlog.get_logger("shipboard.server")


class PortRefused(Exception):
    """The address cannot be listened on; the message says why and what to do. `taken`: another process has
    it."""

    def __init__(self, message: str, taken: bool) -> None:
        super().__init__(message)
        self.taken = taken


def settle_memory() -> None:
    """Set aside what is loaded by now, so that the garbage collector never walks over it again; and let it
    walk seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def open_port(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortRefused.

    It listens at once: of two processes that only bind, both would believe to have the port.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, proto)
    except OSError as error:
        raise PortRefused(
            f"{host!r} is no address of this machine: {error.strerror}.", taken=False
        ) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PortRefused(
                f"Another process already listens on {host} port {port}.", taken=True
            ) from error
        if error.errno == errno.EACCES:
            what = f"Port {port} is for privileged processes; take one from 1024 up."
            raise PortRefused(what, taken=False) from error
        raise PortRefused(
            f"{host} port {port} cannot be listened on: {error.strerror}.", taken=False
        ) from error
    return opened


def raise_file_limit() -> int:
    """Let this process open as many files as the system lets it; each stream is one. Answers the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


class DrainingServer(uvicorn.Server):
    """Serves `app` on one socket until a signal. `on_start` is called when it answers, `on_drain` at the
    first signal, `on_close` when the port closes."""

    def __init__(
        self,
        app: FastAPI,
        drain_seconds: float,
        on_start: Callable[[], None] = lambda: None,
        on_drain: Callable[[], None] = lambda: None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                loop="uvloop",
                ws="none",
                lifespan="off",  # run by `run`, outside the port's life, so that its errors reach the caller
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=FINISH_SECONDS,
            )
        )
        self._app = app
        self._drain_seconds = drain_seconds
        self._on_start = on_start
        self._on_drain = on_drain
        self._on_close = on_close
        self._draining = False

    async def run_until_signal(self, port: socket.socket) -> None:
        """Start the parts of the app, serve, drain, stop the parts. Raises what starting them raises."""
        with self._signals(), port:
            host, number = port.getsockname()[:2]
            log.info("starting", host=host, port=number)
            async with self._app.router.lifespan_context(self._app):
                if not self.should_exit:
                    await self.serve([port])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As the base class; then say so."""
        await super().startup(sockets)
        self._on_start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: `run_until_signal` has them for longer."""
        yield

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _signalled(self, number: signal.Signals) -> None:
        first, self._draining = not self._draining, True
        if first:
            self._on_drain()
        if first and number is signal.SIGTERM and self.started and self._drain_seconds:
            log.info("draining: not ready any more, still serving", seconds=self._drain_seconds)
            asyncio.get_running_loop().call_later(self._drain_seconds, self._close)
        else:
            self._close()

    def _close(self) -> None:
        if not self.should_exit:
            log.info("closing: streams end, requests in flight finish")
            self.should_exit = True
            self._on_close()


def run(server: DrainingServer, port: socket.socket) -> None:
    """Run `server` on an event loop of its own until it has ended."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.run_until_signal(port))
