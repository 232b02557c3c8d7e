"""Runs the server from settings, and says where it is once it answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

import structlog

from app.main import create_app
from app.settings import Settings
from app.supervisor import Work
from app.web import logs, server

log = structlog.get_logger("shipboard")


def serve(
    settings: Settings,
    port: socket.socket,
    *,
    started: Callable[[], None],
    work: Mapping[str, Work] | None = None,
    new_database: bool = False,
    quiet: bool = False,
) -> None:
    """Serve until a signal has ended it. Raises DatabaseRefused. `quiet` logs from warnings up only."""
    logs.configure(settings.log_format, quiet=quiet)
    for warning in settings.warnings:
        log.warning(warning)
    server.settle_memory()
    files = server.raise_file_limit()
    app = create_app(settings, work, new_database=new_database)

    def draining() -> None:
        app.state.vitals.draining = True

    def closing() -> None:
        if hub := getattr(app.state, "hub", None):  # a signal may come before there is one
            hub.closing.set()

    log.info("settings", file=str(settings.file or ""), open_files=files)
    server.run(server.DrainingServer(app, settings.drain_seconds, started, draining, closing), port)


def address(settings: Settings, port: socket.socket) -> str:
    """The URL to open."""
    if settings.public_url:
        return settings.public_url
    host = settings.host if settings.loopback else socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port.getsockname()[1]}"
