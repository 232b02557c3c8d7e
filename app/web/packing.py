"""gzip on the wire (RFC 1952), for bodies and for streams that many share.

A stream's messages are packed each by itself, as blocks of DEFLATE that end on a byte and look back at nothing (RFC
1951): one packed message serves everybody who watches, wherever each began, and nobody's stream keeps a dictionary.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterable

OPENING = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""What a packed stream begins with: no name, no time, any system."""
_LEVEL = 5


def takes_gzip(lines: Iterable[str]) -> bool:
    """Whether the Accept-Encoding field `lines` name gzip, and not with a weight of zero (RFC 9110, 12.5.3)."""
    for line in lines:
        for part in line.lower().split(","):
            coding, _, weight = part.partition(";")
            if coding.strip() == "gzip":
                return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def packed(body: bytes, level: int = _LEVEL) -> bytes:
    """`body` as a whole gzip file; equal bodies, equal bytes."""
    return gzip.compress(body, level, mtime=0)


def block(message: bytes) -> bytes:
    """`message` as blocks that may follow any other in a packed stream."""
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packing.compress(message) + packing.flush(zlib.Z_SYNC_FLUSH)


class Tally:
    """What a packed stream has to say of itself in the end."""

    __slots__ = ("_crc", "_size")

    def __init__(self) -> None:
        self._crc = self._size = 0

    def add(self, message: bytes) -> None:
        """Count a message, as it was before it was packed."""
        self._crc, self._size = zlib.crc32(message, self._crc), self._size + len(message)

    def closing(self) -> bytes:
        """What a packed stream ends with: an empty last block, then the check sum and the size of all of it."""
        return b"\x03\x00" + struct.pack("<II", self._crc, self._size & 0xFFFFFFFF)
