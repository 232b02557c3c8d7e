"""The watch stream: resume from a version, bookmarks, selector transitions, 410, and the faults a stream
can have.

Every watcher reads the shared log of its resource from its own position; nothing is queued for it. One that
falls behind the log's window is ended, as kube-apiserver does, and must list again.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from app.demo import errors
from app.demo.faults import Faults, among
from app.demo.log import Log
from app.demo.resources import Resource
from app.demo.selectors import Predicate
from app.demo.store import ADDED, DELETED, Change, Entry, Store, encode

BATCH_BYTES = 1 << 18
INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(slots=True)
class Request:
    """A watch as asked for: where to begin and what to show."""

    resource: Resource
    namespace: str
    predicate: Predicate | None
    version: str
    bookmarks: bool
    send_initial: bool
    match: str
    timeout: float
    partial: bool = False
    table: Any = None  # rows -> bytes of a Table, for `kubectl get -w`


def check(ask: Request) -> None:
    """The 422s of list options on a watch."""
    if ask.send_initial and ask.match != "NotOlderThan":
        message = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise errors.invalid(
            "ListOptions", "meta.k8s.io", "", [("FieldValueForbidden", message, "resourceVersionMatch")]
        )
    if ask.match and not ask.send_initial:
        message = (
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        )
        raise errors.invalid(
            "ListOptions", "meta.k8s.io", "", [("FieldValueForbidden", message, "resourceVersionMatch")]
        )


class Stream:
    """One open watch."""

    def __init__(self, ask: Request, store: Store, faults: Faults) -> None:
        self.ask = ask
        self.store = store
        self.faults = faults
        self.after = int(ask.version or 0)
        self.log: Log = store.tables[ask.resource.plural].log
        self.head = b'"object":{"kind":"%s","apiVersion":"%s",' % (
            ask.resource.kind.encode(),
            ask.resource.api_version.encode(),
        )

    async def serve(self, http: web.Request) -> web.StreamResponse:
        """Stream until time-out, restart, fault or disconnect."""
        ask, plural = self.ask, self.ask.resource.plural
        version = self.after
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        gone = among(plural, self.faults.gone_watch)
        if among(plural, self.faults.gone_watch_http):
            raise errors.too_old(version, self.log.floor)
        await response.prepare(http)
        initial = ask.send_initial or version == 0
        if gone or (not initial and version < self.log.floor):
            await response.write(_error(errors.too_old(version, max(self.log.floor, version + 1))))
            return response
        epoch = self.log.epoch
        if initial:
            position = self.log.end
            await self._initial(response)
        else:
            position = self.log.position(version)
        try:
            await self._follow(response, position, epoch)
        except ConnectionResetError:
            pass  # the client is gone, or was cut off
        finally:
            self.log.readers.pop(self, None)
        return response

    async def _initial(self, response: web.StreamResponse) -> None:
        version = self.store.version
        rows = [e for e in self.store.rows(self.ask.resource.plural, self.ask.namespace) if self._shows(e)]
        parts: list[bytes] = []
        for entry in rows:
            parts.append(self._line(ADDED, entry))
            if len(parts) >= 40:
                await self._write(response, parts)
                parts = []
        if self.ask.send_initial and self.ask.bookmarks:
            parts.append(self._bookmark(version, INITIAL_END))
        await self._write(response, parts)

    async def _follow(self, response: web.StreamResponse, position: int, epoch: int) -> None:
        loop = asyncio.get_running_loop()
        plural, faults, log = self.ask.resource.plural, self.faults, self.log
        end = loop.time() + self.ask.timeout
        last_bookmark = loop.time()
        # kube-apiserver sends one about every minute, and one two seconds before the end
        farewell = end - min(2.0, self.ask.timeout / 2)
        while log.epoch == epoch:
            now = loop.time()
            log.readers[self] = position
            if now >= end:
                return
            if self.ask.resource.group in faults.groups_absent():
                return
            stalled = among(plural, faults.stall)
            if among(plural, faults.gone_watch) or among(plural, faults.gone_watch_http):
                await response.write(_error(errors.too_old(0, self.store.version)))
                return
            if not stalled and position < log.end:
                if position < log.base:
                    return
                position, closed = await self._events(response, position)
                if closed:
                    return
                continue
            due = last_bookmark + faults.bookmark_interval
            if last_bookmark < farewell:
                due = min(due, farewell)
            if self.ask.bookmarks and not stalled and now >= due:
                await response.write(self._bookmark(self.store.version, None))
                last_bookmark = now
                continue
            await log.wait(min(end - now, max(0.01, due - now) if self.ask.bookmarks else 3600.0, 30.0))

    async def _events(self, response: web.StreamResponse, position: int) -> tuple[int, bool]:
        """Write changes from `position`; returns the new position and whether the stream was broken on
        purpose."""
        plural, faults, log = self.ask.resource.plural, self.faults, self.log
        parts: list[bytes] = []
        size = 0
        silent = among(plural, faults.bookmarks_only)
        for change in log.changes[position - log.base : position - log.base + 500]:
            position += 1
            # a watch from a version not yet reached begins only there
            if silent or change.entry.version <= self.after or faults.loses(plural):
                continue
            line = self._change(change)
            if line is None:
                continue
            if plural in faults.garbage:
                faults.garbage.discard(plural)
                line = b'{"type":"MODIFIED","object":{"kind": \x00\xff garbage\n'
            if plural in faults.truncated:
                faults.truncated.discard(plural)
                await self._write(response, [*parts, line[: len(line) // 2]])
                return position, True
            parts.append(line)
            size += len(line)
            if size >= BATCH_BYTES:
                break
        await self._write(response, parts)
        return position, False

    async def _write(self, response: web.StreamResponse, parts: list[bytes]) -> None:
        if not parts:
            await asyncio.sleep(0)
            return
        data = b"".join(parts)
        if not self.faults.bandwidth:
            await response.write(data)
            return
        await trickle(response, data, self.faults.bandwidth)

    def _shows(self, entry: Entry) -> bool:
        ask = self.ask
        return (not ask.namespace or entry.namespace == ask.namespace) and (
            ask.predicate is None or ask.predicate(entry.obj)
        )

    def _change(self, change: Change) -> bytes | None:
        """The line of a change as this watcher sees it: entering its selection is ADDED, leaving it
        DELETED."""
        entry, ask = change.entry, self.ask
        if ask.predicate is None:
            if ask.namespace and entry.namespace != ask.namespace:
                return None
            return self._line(change.type, entry)
        now = self._shows(entry)
        before = change.before is not None and self._shows(change.before)
        if change.type == DELETED:
            return self._line(DELETED, entry) if before else None
        if now:
            return self._line(change.type if before or change.before is None else ADDED, entry)
        return self._line(DELETED, entry) if before else None

    def _line(self, type_: str, entry: Entry) -> bytes:
        if self.ask.table is not None:
            return b'{"type":"%s","object":%s}\n' % (type_.encode(), self.ask.table([entry]))
        if self.ask.partial:
            obj = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": entry.obj["metadata"],
            }
            return b'{"type":"%s","object":%s}\n' % (type_.encode(), encode(obj))
        return b"".join((b'{"type":"', type_.encode(), b'",', self.head, entry.tail, b"}\n"))

    def _bookmark(self, version: int, annotations: dict[str, str] | None) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(version)}
        if annotations:
            meta["annotations"] = annotations
        obj = {
            "kind": self.ask.resource.kind,
            "apiVersion": self.ask.resource.api_version,
            "metadata": meta,
            **dict(self.ask.resource.skeleton),
        }
        return b'{"type":"BOOKMARK","object":' + encode(obj) + b"}\n"


async def trickle(response: web.StreamResponse, data: bytes, bandwidth: int) -> None:
    """Write at about `bandwidth` bytes a second."""
    step = max(1024, bandwidth // 10)
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        await response.write(piece)
        await asyncio.sleep(len(piece) / bandwidth)


def timeout_of(text: str | None) -> float:
    """timeoutSeconds, or 30-60 minutes as kube-apiserver picks when not asked."""
    return float(text) if text else 1800 * (1 + random.random())


def _error(error: errors.ApiError) -> bytes:
    return b'{"type":"ERROR","object":' + encode(error.body) + b"}\n"
