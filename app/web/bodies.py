"""The body of a request, within limits: bytes at a time and in all, seconds, and what gzip may make of it.

A packed body is unpacked bit by bit and let go at the first byte too many, so no bomb is ever in memory.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from .answers import refusal

RATIO = 20
"""How many times as large a packed body may become, beyond the first `FREE` bytes."""
FREE = 1 << 20
_STEP = 1 << 16


@dataclass(slots=True)
class Intake:
    """Receives bodies. `limit` is the most bytes of one, packed or not; `together` of all in reception. `noun` is what
    one is called, `smaller` what to do about one that is too large."""

    limit: int
    together: int
    seconds: float
    noun: str = "upload"
    smaller: str = "Send it in parts, one report each."
    receiving: int = 0

    async def body(self, request: Request) -> bytes:
        """All of the body, unpacked. Raises Refusal: too long, too slow, broken off, packed in a way that is not
        taken, or too many at a time."""
        packing = request.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", ""):
            why = f"A body packed with {packing[:40]!r} is not taken."
            raise refusal(request, 415, "Packed otherwise", why, "Send it plain or with gzip.")
        packed = await self.received(request)
        if packing != "gzip":
            return packed
        return await asyncio.to_thread(self._unpacked, request, packed)

    async def received(self, request: Request) -> bytes:
        """All of the body as it was sent. Raises Refusal: too long, too slow, broken off, or too many at a time."""
        found = bytearray()
        try:
            async with asyncio.timeout(self.seconds):
                async for part in request.stream():
                    found += part
                    self.receiving += len(part)
                    if len(found) > self.limit:
                        raise self._large(request)
                    if self.receiving > self.together:
                        wait = {"retry-after": "5"}
                        why = f"More {self.noun}s arrive than are taken at one time."
                        raise refusal(request, 503, "Busy", why, "Try again in a few seconds.", wait)
        except TimeoutError:
            why = f"The body did not arrive within {self.seconds:.0f} s."
            raise refusal(request, 408, "Too slow", why, "Send it again.") from None
        except ClientDisconnect:
            raise refusal(request, 400, "Broken off", "The body ended early.", "Send it again.") from None
        finally:
            self.receiving -= len(found)
        return bytes(found)

    def _large(self, request: Request) -> Exception:
        why = f"{self.noun.capitalize()}s may have {self.limit >> 20} MiB, unpacked."
        return refusal(request, 413, "Too large", why, self.smaller)

    def _unpacked(self, request: Request, packed: bytes) -> bytes:
        unpacking, found, rest = zlib.decompressobj(wbits=31), bytearray(), packed
        try:
            while not unpacking.eof:
                part = unpacking.decompress(rest, _STEP)
                rest = unpacking.unconsumed_tail
                found += part
                if len(found) > self.limit:
                    raise self._large(request)
                if len(found) > FREE and len(found) > RATIO * len(packed):
                    why = f"Unpacked it would be more than {RATIO} times as large."
                    raise refusal(request, 413, "Packed too tightly", why, "Send it plain.")
                if not part and not rest:
                    raise zlib.error("it ends early")
        except zlib.error as error:
            why = f"The body is no whole gzip stream ({str(error)[:80]})."
            raise refusal(request, 400, "Unreadable", why, "Send it again.") from None
        if unpacking.unused_data:
            why = "Something follows the gzip stream."
            raise refusal(request, 400, "Unreadable", why, "Send one stream, and nothing after it.")
        return bytes(found)
