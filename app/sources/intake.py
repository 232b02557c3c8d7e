"""List pages and watch events of one kind, decoded and put into the cache: the hot path, without a task or
await.

An object that does not fit is set aside; a line that is no event raises, and `version` stays at the last good
one.
"""

from __future__ import annotations

import msgspec

from ..domain.refusals import Garbled
from ..engines.port import Kind
from ..kube import failure
from .cache import Cache
from .decode import UNDECODABLE, Garbage, Page, Reader, Unreadable


class Intake:
    """Counts `events`, and `drift`: objects that a list had and the watch before it should have delivered. `backwards`
    tells whether the last batch led to an older version than the one it was asked from."""

    def __init__(self, kind: Kind, cache: Cache) -> None:
        self.version, self.backwards = "", False
        self.events = self.drift = 0
        self._kind, self._cache = kind, cache
        self._reader = Reader(kind)
        self._put = cache.writer(kind.name)

    def page(self, body: bytes, seen: set[str], trusted: bool) -> Page:
        """Apply one list page and add what it names to `seen`. Raises Garbled when it is not a list."""
        try:
            page = self._reader.page(body)
        except Garbage as error:
            raise Garbled(f"Could not read the list of {self._kind.plural}", str(error)) from None
        reached = _number(self.version) if trusted else -1
        for item in page.items:
            meta = item.metadata
            if not meta.uid:
                page.unreadable.append(_anonymous(self._kind.name, meta.namespace, meta.name))
                continue
            seen.add(meta.uid)
            if self._put(item, trusted) and 0 < _number(meta.resource_version) <= reached:
                self.drift += 1
        for poison in page.unreadable:
            seen.update((poison.uid, f"{poison.namespace}/{poison.name}"))
            self._cache.set_aside(poison)
        return page

    def apply(self, lines: list[bytes]) -> None:
        """Apply event lines. Raises Garbled for garbage, and the error an ERROR event stands for."""
        decode, put = self._reader.event, self._put
        version, count = self.version, 0
        try:
            for line in lines:
                if not line:
                    continue
                try:
                    event = decode(line)
                except msgspec.ValidationError:
                    version = self._slow(line) or version
                    count += 1
                    continue
                except UNDECODABLE as error:
                    raise self._garbled(str(error)) from None
                item, type_ = event.object, event.type
                meta = item.metadata
                if type_ == "MODIFIED" or type_ == "ADDED":
                    if meta.uid:
                        put(item, True)
                    else:
                        self._cache.set_aside(_anonymous(self._kind.name, meta.namespace, meta.name))
                elif type_ == "DELETED":
                    self._cache.remove(self._kind.name, meta.uid, f"{meta.namespace}/{meta.name}")
                elif type_ != "BOOKMARK":
                    self._slow(line)
                version = meta.resource_version or version
                count += 1
        finally:
            self.backwards = -1 < _number(version) < _number(self.version)
            self.version = version
            self.events += count

    def _slow(self, line: bytes) -> str:
        """An event that did not fit: an ERROR, poison, or garbage. Answers the version reached, if any."""
        try:
            type_, item, raw = self._reader.slow_event(line)
        except Garbage as error:
            raise self._garbled(str(error)) from None
        if type_ == "ERROR":
            status = msgspec.json.decode(raw)
            code = status.get("code") if isinstance(status, dict) else None
            raise failure(f"watch {self._kind.plural}", code if isinstance(code, int) else 500, raw)
        if not isinstance(item, Unreadable):
            raise self._garbled("an event of an unknown type")
        if type_ == "DELETED":
            self._cache.remove(self._kind.name, item.uid, f"{item.namespace}/{item.name}")
        elif type_ != "BOOKMARK":
            self._cache.set_aside(item)
        return item.version

    def _garbled(self, why: str) -> Garbled:
        what = f"The watch of {self._kind.plural} sent something that is no event"
        return Garbled(what, why, "Shipboard opens it again")


def _anonymous(kind: str, namespace: str, name: str) -> Unreadable:
    return Unreadable(kind, namespace or "?", name or "?", "", "", "", {}, "it has no uid")


def _number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() else -1
