"""The few Kubernetes protobuf bodies kubectl insists on sending, read as if they were JSON.

kubectl encodes some requests of built-in kinds (create namespace, auth can-i, delete options) as protobuf.
Anything else in protobuf is refused with 415 by the caller. Field numbers: k8s.io/api generated.proto files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAGIC = b"k8s\x00"
Obj = dict[str, Any]
_ATTRIBUTES = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


def parse(raw: bytes) -> Obj | None:
    """The object, or None when it is not one of the known kinds. Raises IndexError or ValueError on broken
    bytes."""
    if not raw.startswith(MAGIC):
        return None
    envelope = dict(_fields(raw[len(MAGIC) :]))
    kind = dict(_fields(envelope.get(1, b""))).get(2, b"").decode()
    body = dict(_fields(envelope.get(2, b"")))
    match kind:
        case "Namespace":
            meta = dict(_fields(body.get(1, b"")))
            return {"metadata": {"name": meta.get(1, b"").decode()}}
        case "SelfSubjectAccessReview":
            asked = dict(_fields(dict(_fields(body.get(2, b""))).get(1, b"")))
            attributes = {
                name: asked.get(number, b"").decode() for number, name in enumerate(_ATTRIBUTES, start=1)
            }
            return {"spec": {"resourceAttributes": attributes}}
        case "SelfSubjectReview":
            return {}
        case "DeleteOptions":
            options: Obj = {}
            if 1 in body:
                options["gracePeriodSeconds"] = body[1]
            if 4 in body:
                options["propagationPolicy"] = body[4].decode()
            return options
    return None


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with their values: ints for varints, bytes for everything with a length."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        value: Any
        if tag & 7 == 0:
            value, position = _varint(data, position)
        elif tag & 7 == 2:
            length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, position
        shift += 7
