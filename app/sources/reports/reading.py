"""The bytes of a report, read as text, JSON or XML within limits; whatever is beyond them is refused in words.

XML is read by events, without a tree: a document type is refused before any entity could be declared, depth,
elements and text are counted as they come.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from xml.parsers import expat

import msgspec

from app.sources.nesting import deeper

MAX_BYTES = 32 << 20
MAX_DEPTH = 200
MAX_NODES = 2_000_000
MAX_TAG = 2 << 20
"""Bytes of one tag with its attributes, or of one comment, which the parser hands out in one piece."""
MAX_CASES = 100_000
MAX_MESSAGE = 2000
"""Characters kept of a message."""
_CHUNK = 64 << 10
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_unread = object()


class Refused(Exception):
    """It is not a report that can be read; the message says what is wrong with it."""


class Visitor(Protocol):
    """What is told of an XML document; names are without prefix."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """It ends."""

    def text(self, text: str) -> None:
        """Text within it."""


@dataclass(slots=True)
class Document:
    """A report's bytes; what they hold is decoded when it is first asked for."""

    body: bytes
    _tree: Any = field(default=_unread, repr=False)

    def __post_init__(self) -> None:
        if len(self.body) > MAX_BYTES:
            raise Refused(f"It is larger than {MAX_BYTES >> 20} MiB.")
        if not self.body.strip():
            raise Refused("It is empty.")

    @property
    def head(self) -> str:
        """Its beginning, for telling formats apart."""
        encoding = next((name for bom, name in _BOMS if self.body.startswith(bom)), "utf-8")
        return self.body[:4096].decode(encoding, "replace").lstrip("\ufeff \t\r\n")

    @property
    def is_xml(self) -> bool:
        """Whether it begins as XML does."""
        return self.head.startswith("<")

    @property
    def is_json(self) -> bool:
        """Whether it begins as JSON does."""
        return self.head.startswith(("{", "[")) or self.head.strip() == "null"

    @property
    def text(self) -> str:
        """All of it as text. Raises Refused."""
        encoding = next((name for bom, name in _BOMS if self.body.startswith(bom)), "utf-8")
        try:
            return self.body.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise Refused(f"It is not text in UTF-8 (byte {error.start}).") from None

    @property
    def tree(self) -> Any:
        """The value it holds as JSON. Raises Refused."""
        if self._tree is _unread:
            self._tree = _json(self.body, self.text)
        return self._tree

    def walk(self, visitor: Visitor) -> None:
        """Tell `visitor` of the XML in it. Raises Refused, also in the middle."""
        _walk(self.body, visitor)


def _json(body: bytes, text: str) -> Any:
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_NODES:
        raise Refused(f"It holds more than {MAX_NODES} values.")
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        raise Refused(f"It is nested deeper than {MAX_DEPTH} levels.") from None
    except (msgspec.DecodeError, UnicodeEncodeError, ValueError) as error:
        raise Refused(f"It is no whole JSON document: {str(error)[:120]}.") from None
    if text.count("{") + text.count("[") > MAX_DEPTH and deeper(value, MAX_DEPTH):
        raise Refused(f"It is nested deeper than {MAX_DEPTH} levels.")
    return value


def _walk(body: bytes, visitor: Visitor) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = _CHUNK
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MAX_DEPTH:
            raise Refused(f"It is nested deeper than {MAX_DEPTH} levels.")
        if elements > MAX_NODES:
            raise Refused(f"It holds more than {MAX_NODES} elements.")
        visitor.start(name.rpartition(":")[2], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        visitor.end(name.rpartition(":")[2])

    def doctype(*_: Any) -> None:
        raise Refused("It declares a document type (DOCTYPE), which reports do not need and attacks do.")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = visitor.text
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = doctype
    try:
        for begin in range(0, len(body), _CHUNK):
            parser.Parse(body[begin : begin + _CHUNK], False)
            if begin - parser.CurrentByteIndex > MAX_TAG:
                raise Refused(f"It holds a tag or comment longer than {MAX_TAG >> 20} MiB.")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset}"
        raise Refused(f"It is no whole XML document: {expat.ErrorString(error.code)} ({where}).") from None
    except (LookupError, ValueError) as error:
        raise Refused(f"It is no XML that can be read: {str(error)[:120]}.") from None


def words(text: object, limit: int = MAX_MESSAGE) -> str:
    """A message of a report: its lines kept, other control characters and what is beyond `limit` dropped."""
    if not isinstance(text, str):
        return ""
    found = text[: limit * 2].strip()
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in found)
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"


def seconds(text: object) -> float:
    """A duration as reports write it ("1,234.56", "0.5", empty); 0 where it is none."""
    try:
        found = float(text.replace(",", "") if isinstance(text, str) else text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0.0
    return found if 0 <= found < 1e9 else 0.0
