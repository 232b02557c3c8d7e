"""The objects, one global resourceVersion, and a bounded event log per resource.

Stored objects are never changed in place: a write stores a new object and its encoded bytes, once, and every
LIST and watch reuses those bytes. Reading is free; to change something take `copy()` and hand it back.
Single-threaded by design: everything runs on one event loop, so a read followed by a write cannot interleave.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.demo.clock import Clock
from app.demo.log import LOG_WINDOW, Log
from app.demo.resources import BY_PLURAL, Resource

Obj = dict[str, Any]
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
SNAPSHOTS = 4


class Entry:
    """A stored version of an object, without kind and apiVersion; `tail`: its JSON less the first brace."""

    __slots__ = ("name", "namespace", "obj", "tail", "uid", "version")

    def __init__(self, obj: Obj, version: int, tail: bytes | None = None) -> None:
        meta = obj["metadata"]
        self.obj = obj
        self.version = version
        self.name: str = meta["name"]
        self.namespace: str = meta.get("namespace") or ""
        self.uid: str = meta["uid"]
        self.tail = tail or encode(obj)[1:]

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Change:
    """One line of a log: what happened, the object after it and (for selector watches) before it."""

    __slots__ = ("before", "entry", "type")

    def __init__(self, kind: str, entry: Entry, before: Entry | None) -> None:
        self.type = kind
        self.entry = entry
        self.before = before


@dataclass(slots=True)
class Table:
    """The current objects of one resource, by namespace."""

    resource: Resource
    log: Log
    rows: dict[str, dict[str, Entry]] = field(default_factory=dict)
    sorted_rows: list[Entry] | None = None
    version: int = 0
    snapshots: dict[int, list[Entry]] = field(default_factory=dict)


Listener = Callable[[Resource, Change], None]


class Store:
    """All tables. `subscribe` is for the controllers; watches read the logs."""

    def __init__(self, clock: Clock, *, window: int = LOG_WINDOW, version: int = 1000) -> None:
        self.clock = clock
        self.version = version
        self.tables = {
            plural: Table(resource, Log(version, window)) for plural, resource in BY_PLURAL.items()
        }
        self._children: dict[str, dict[str, Entry]] = {}
        self._listeners: list[Listener] = []

    # -- reading ---------------------------------------------------------------------------------------------
    def get(self, plural: str, namespace: str, name: str) -> Entry | None:
        return self.tables[plural].rows.get(namespace, {}).get(name)

    def copy(self, plural: str, namespace: str, name: str) -> Obj | None:
        """A private copy that may be changed and handed to `put`."""
        entry = self.get(plural, namespace, name)
        return None if entry is None else copy(entry)

    def rows(self, plural: str, namespace: str = "") -> list[Entry]:
        """All objects in key order; of one namespace when given."""
        table = self.tables[plural]
        if namespace:
            rows = table.rows.get(namespace, {})
            return [rows[name] for name in sorted(rows)]
        if table.sorted_rows is None:
            table.sorted_rows = [
                table.rows[ns][name] for ns in sorted(table.rows) for name in sorted(table.rows[ns])
            ]
        return table.sorted_rows

    def in_namespace(self, plural: str, namespace: str) -> Iterable[Entry]:
        return self.tables[plural].rows.get(namespace, {}).values()

    def children(self, uid: str, plural: str) -> list[Entry]:
        """The objects of a resource whose controller is `uid`, oldest first."""
        owned = [e for key, e in self._children.get(uid, {}).items() if key.startswith(plural + "/")]
        return sorted(owned, key=lambda e: (e.obj["metadata"]["creationTimestamp"], e.name))

    def snapshot_rows(self, plural: str) -> list[Entry]:
        """The whole table as of now, kept for paging under the current version."""
        table = self.tables[plural]
        rows = self.rows(plural)
        if self.version not in table.snapshots:
            while len(table.snapshots) >= SNAPSHOTS:
                del table.snapshots[next(iter(table.snapshots))]
            table.snapshots[self.version] = rows
        return rows

    # -- writing ---------------------------------------------------------------------------------------------
    def create(self, plural: str, obj: Obj, *, quiet: bool = False) -> Entry:
        """Store a new object: uid, creationTimestamp (unless given), generation 1. `quiet`: controllers are
        not told."""
        resource = self.tables[plural].resource
        given = obj["metadata"]
        meta: Obj = {"name": given["name"]}
        if given.get("generateName"):
            meta["generateName"] = given["generateName"]
        if resource.namespaced:
            meta["namespace"] = given["namespace"]
        meta["uid"] = str(uuid.uuid4())
        meta["resourceVersion"] = ""
        if resource.generation:
            meta["generation"] = given.get("generation", 1)
        meta["creationTimestamp"] = given.get("creationTimestamp") or self.clock.stamp()
        for key in ("labels", "annotations", "ownerReferences", "finalizers", "managedFields"):
            if given.get(key):
                meta[key] = given[key]
        body = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
        return self.put(plural, {"metadata": meta, **body}, quiet=quiet)

    def put(self, plural: str, obj: Obj, *, quiet: bool = False, tail: bytes | None = None) -> Entry:
        """Store a version of an object and tell everyone. Nothing is checked here: see `registry`.

        `tail`: its bytes under the next version, from a writer that has them already."""
        table = self.tables[plural]
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        entry = Entry(obj, self.version, tail)
        rows = table.rows.setdefault(entry.namespace, {})
        before = rows.get(entry.name)
        rows[entry.name] = entry
        table.sorted_rows = None
        self._index(plural, before, entry)
        self._publish(table, Change(MODIFIED if before else ADDED, entry, before), quiet)
        return entry

    def remove(self, plural: str, namespace: str, name: str, *, quiet: bool = False) -> Entry | None:
        """Take an object away; the DELETED event carries its last state under a new version."""
        table = self.tables[plural]
        before = table.rows.get(namespace, {}).pop(name, None)
        if before is None:
            return None
        if not table.rows[namespace]:
            del table.rows[namespace]
        self.version += 1
        last = copy(before)
        last["metadata"]["resourceVersion"] = str(self.version)
        entry = Entry(last, self.version)
        table.sorted_rows = None
        self._index(plural, before, None)
        self._publish(table, Change(DELETED, entry, before), quiet)
        return entry

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    # -- faults of the storage -------------------------------------------------------------------------------
    def compact(self) -> int:
        """Forget history up to now: older watches get 410, older continue tokens too. Returns the version."""
        for table in self.tables.values():
            table.log.compact(self.version)
            table.snapshots.clear()
        return self.version

    def freeze(self) -> tuple[int, dict[str, list[Entry]]]:
        """A backup for `restore`."""
        return self.version, {plural: list(self.rows(plural)) for plural in self.tables}

    def restore(self, backup: tuple[int, dict[str, list[Entry]]]) -> None:
        """Go back to a backup: objects and the version itself are the older ones again."""
        self.version, saved = backup
        self._children = {}
        for plural, table in self.tables.items():
            table.rows = {}
            table.sorted_rows = None
            table.snapshots.clear()
            for entry in saved[plural]:
                table.rows.setdefault(entry.namespace, {})[entry.name] = entry
                self._index(plural, None, entry)
            table.log.reset(self.version)

    def restart(self) -> None:
        """A restart of the server: watch caches start empty at the present version, streams end."""
        for table in self.tables.values():
            table.snapshots.clear()
            table.log.reset(self.version)

    # -- inside ----------------------------------------------------------------------------------------------
    def _publish(self, table: Table, change: Change, quiet: bool) -> None:
        table.version = self.version
        table.log.append(change)
        if not quiet:
            for listener in self._listeners:
                listener(table.resource, change)

    def _index(self, plural: str, before: Entry | None, after: Entry | None) -> None:
        old = controller_uid(before.obj) if before else None
        new = controller_uid(after.obj) if after else None
        if old and old != new and before:
            owned = self._children.get(old, {})
            owned.pop(f"{plural}/{before.key}", None)
            if not owned:
                self._children.pop(old, None)
        if new and after:
            self._children.setdefault(new, {})[f"{plural}/{after.key}"] = after


def copy(entry: Entry) -> Obj:
    """A deep, private copy of an entry's object."""
    obj: Obj = decode(b"{" + entry.tail)
    return obj


def controller_uid(obj: Obj) -> str | None:
    """The uid of the controlling owner, if any."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            uid: str = reference["uid"]
            return uid
    return None
