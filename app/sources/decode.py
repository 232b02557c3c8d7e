"""Bytes of list pages and watch events to typed objects, with poison set aside: one odd object never hides
another.

The whole page, or the whole event, is decoded typed in one pass. Only when that fails is it taken apart to
find the object that does not fit; what can be read of it (name, uid, owner, labels) is kept with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from ..domain.names import cut
from ..engines import shapes
from ..engines.port import Kind

Object = Any
"""One of `shapes`: a struct with `metadata`."""

T = TypeVar("T")

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON, not UTF-8, nested without end, or not of the shape."""


class Garbage(ValueError):
    """Bytes that are not the JSON they should be: the stream is broken, not the object."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that does not fit its shape, as far as it could be told apart from others."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: str
    owner: str
    labels: dict[str, str]
    reason: str
    stub: Any = None  # an object of its shape with nothing but what tells whose root it is

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Page:
    """One decoded list page; `token` is empty on the last one."""

    version: str
    token: str
    items: list[Object]
    unreadable: list[Unreadable] = field(default_factory=list)


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    token: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T]):
    metadata: _ListMeta
    items: list[T] | None = None


class _Event(msgspec.Struct, Generic[T], gc=False):
    type: str
    object: T


class _RawEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _RawPage(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class Reader:
    """Decoders of one kind. `event` is the fast path: it answers a struct with `type` and `object`, and
    raises msgspec.ValidationError when `slow_event` has to look, another of `UNDECODABLE` for garbage."""

    def __init__(self, kind: Kind) -> None:
        shape = shapes.SHAPES[kind.name]
        self._kind, self._shape = kind.name, shape
        self._page: msgspec.json.Decoder[_Page[Any]] = msgspec.json.Decoder(_Page[shape])  # type: ignore[valid-type]
        self._one = msgspec.json.Decoder(shape)
        events: msgspec.json.Decoder[_Event[Any]] = msgspec.json.Decoder(_Event[shape])  # type: ignore[valid-type]
        self.event = events.decode

    def page(self, body: bytes) -> Page:
        """One page. Raises Garbage when it is not a list."""
        try:
            page = self._page.decode(body)
            if page.metadata.resource_version:
                return Page(page.metadata.resource_version, page.metadata.token, page.items or [])
            raise Garbage("a list without resourceVersion")
        except UNDECODABLE:
            return self._slow_page(body)

    def _slow_page(self, body: bytes) -> Page:
        try:
            page = msgspec.json.decode(body, type=_RawPage)
        except UNDECODABLE as error:
            raise Garbage(str(error)) from None
        if not page.metadata.resource_version:
            raise Garbage("a list without resourceVersion")
        read = Page(page.metadata.resource_version, page.metadata.token, [])
        for raw in page.items or ():
            item = self._item(raw)
            if isinstance(item, Unreadable):
                read.unreadable.append(item)
            else:
                read.items.append(item)
        return read

    def slow_event(self, line: bytes) -> tuple[str, Object | Unreadable, bytes]:
        """Type, object and raw object of an event the fast path refused. Raises Garbage when it is no event
        at all."""
        try:
            event = msgspec.json.decode(line, type=_RawEvent)
        except UNDECODABLE as error:
            raise Garbage(str(error)) from None
        return event.type, self._item(event.object), bytes(event.object)

    def _item(self, raw: msgspec.Raw) -> Object | Unreadable:
        try:
            item: Object = self._one.decode(raw)
        except UNDECODABLE as error:
            return self._salvage(raw, str(error))
        return item

    def _salvage(self, raw: msgspec.Raw, reason: str) -> Unreadable:
        try:
            whole = msgspec.json.decode(raw)
        except UNDECODABLE:
            whole = None
        meta = _dict(_dict(whole).get("metadata"))
        owners = meta.get("ownerReferences")
        controllers = [
            o for o in map(_dict, owners if isinstance(owners, list) else ()) if o.get("controller") is True
        ]
        labels = {k: v for k, v in _dict(meta.get("labels")).items() if isinstance(v, str)}
        namespace, name = _text(meta.get("namespace")) or "?", _text(meta.get("name")) or "?"
        return Unreadable(
            self._kind,
            namespace,
            name,
            _text(meta.get("uid")),
            _text(meta.get("resourceVersion")),
            _text(controllers[0].get("uid")) if controllers else "",
            labels,
            cut(reason, 200),
            self._stub(namespace, name, meta.get("annotations")),
        )

    def _stub(self, namespace: str, name: str, annotations: object) -> Any:
        notes = {k: v for k, v in _dict(annotations).items() if isinstance(v, str)}
        meta = {"namespace": namespace, "name": name, "annotations": notes}
        return msgspec.convert({"metadata": meta}, self._shape)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 300 else ""
