"""Signed webhooks of 4 KB, each on disk before its 2xx, against a bare loop that makes the same commits.

The bare loop is one process with sqlite3 and nothing else: one row a transaction, each waiting for the disk. The
server has HTTP, a signature, JSON and several senders at a time, whose rows share transactions.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from .rig import ROOT, Row

SECONDS, SENDERS, SIZE = 4.0, 64, 4096
SECRET = "a secret for the benchmark"
SERVER = """
    import asyncio, sys
    from fastapi import FastAPI
    from app.settings import HookSettings
    from app.store.db import Database
    from app.store.inbox import Inbox
    from app.web import hooks, logs, server
    import uvloop

    logs.configure("json", quiet=True)

    async def main():
        database = await Database.open(sys.argv[1])
        app = FastAPI()
        hook = HookSettings(id="bench", provider="github", repositories=("*",), secrets=(sys.argv[2],))
        app.include_router(hooks.routes(Inbox(database), [hook]))
        port = server.open_port("127.0.0.1", 0)
        started = lambda: print(port.getsockname()[1], flush=True)
        await server.DrainingServer(app, 0.0, started).run_until_signal(port)

    uvloop.run(main())
"""


def run() -> list[Row]:
    """Webhooks a second, and the ratio to the bare loop's."""
    with tempfile.TemporaryDirectory(prefix="shipboard-bench-") as folder:
        ours, rows = _server(Path(folder))
        bare = _bare(Path(folder))
    return [
        Row("bare loop of SQLite commits", f"{bare:,.0f} a second"),
        Row(
            f"signed webhooks on disk before 2xx ({rows:,} rows)",
            f"{ours:,.0f} a second",
            f"{ours / bare:.2f} x bare loop",
            ">= 0.50 x",
            ours >= bare / 2,
        ),
    ]


def body(number: int) -> bytes:
    """A webhook of `SIZE` bytes."""
    run_ = {"id": number, "status": "queued", "created_at": "2026-11-25T12:00:00Z", "note": ""}
    found = {"workflow_run": run_, "repository": {"id": 1, "html_url": "https://github.com/acme/cart"}}
    run_["note"] = "x" * (SIZE - len(json.dumps(found)))
    return json.dumps(found).encode()


def request(number: int) -> bytes:
    """The whole request of one."""
    content = body(number)
    signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    head = (
        "POST /hooks/github/bench HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"x-github-event: workflow_run\r\nx-github-delivery: d-{number}\r\n"
        f"x-hub-signature-256: sha256={signature}\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _server(folder: Path) -> tuple[float, int]:
    file = folder / "ship.db"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVER), f"sqlite:///{file}", SECRET],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        result: multiprocessing.Queue[float] = multiprocessing.Queue()
        sender = multiprocessing.Process(target=_send, args=(port, result))
        sender.start()
        rate = result.get(timeout=20)
        sender.join()
    finally:
        child.terminate()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    with sqlite3.connect(file) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM inbox").fetchone()
    connection.close()
    return rate, int(rows)


def _send(port: int, result: multiprocessing.Queue[float]) -> None:
    """Each sender has one request under way; the requests are made beforehand."""
    import selectors

    requests = [request(number) for number in range(30_000)]
    selector = selectors.DefaultSelector()
    answers: dict[socket.socket, bytes] = {}
    sent = done = 0
    for _ in range(SENDERS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(requests[sent])
        sent += 1
        selector.register(connection, selectors.EVENT_READ)
        answers[connection] = b""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS and sent < len(requests):
        for key, _ in selector.select(1.0):
            connection = key.fileobj  # type: ignore[assignment]
            answers[connection] += connection.recv(65536)
            if not answers[connection].endswith(b"}"):
                continue  # head and body may come apart
            assert answers[connection].startswith(b"HTTP/1.1 202"), answers[connection][:200]
            answers[connection] = b""
            done += 1
            if sent < len(requests):
                connection.sendall(requests[sent])
                sent += 1
    result.put(done / (time.monotonic() - began))


def _bare(folder: Path) -> float:
    """Rows a second of the loop: the same table and settings, one row a commit."""
    connection = sqlite3.connect(folder / "ship.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    insert = (
        "INSERT INTO inbox (hook, provider, delivery, digest, event, received_at, headers, body, state, tries,"
        " facts, reason) VALUES ('b', 'github', ?, ?, 'workflow_run', '2026-11-25 12:00:00.000000', '{}', ?,"
        " 'new', 0, 0, '') ON CONFLICT DO NOTHING"
    )
    rows = []
    for number in range(30_000):
        content = body(number)
        rows.append((f"b-{number}", hashlib.sha256(content).hexdigest(), content))
    done, began = 0, time.monotonic()
    for row in rows:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(insert, row)
        connection.execute("COMMIT")
        done += 1
        if time.monotonic() - began > SECONDS:
            break
    spent = time.monotonic() - began
    connection.close()
    return done / spent
