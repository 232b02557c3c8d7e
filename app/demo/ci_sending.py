"""How the demo's CI speaks to the board, over HTTP as any CI does: webhooks signed as GitHub's, and reports uploaded
with a token. Where the board is away, it is tried again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from app.demo.ci_payloads import number

log = logging.getLogger(__name__)
TRIES = 60


@dataclass(frozen=True, slots=True)
class Board:
    """Where the board takes webhooks, signed with `secret`, and below which address it takes reports, with `token`
    (empty: it gets none)."""

    webhooks: str
    secret: str
    reports: str = ""
    token: str = ""


class Sender:
    """Sends to `board` while it is open."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._session: aiohttp.ClientSession | None = None
        self._free = asyncio.Semaphore(8)

    def open(self) -> None:
        """Begin; needs a running loop."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def close(self) -> None:
        """End."""
        if self._session:
            await self._session.close()

    async def hook(self, event: str, body: dict[str, Any]) -> None:
        """Send a webhook."""
        content = json.dumps(body, separators=(",", ":")).encode()
        sign = hmac.new(self._board.secret.encode(), content, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "user-agent": "GitHub-Hookshot/demo",
            "x-github-event": event,
            "x-github-delivery": str(uuid.UUID(int=number(content.decode(), 1 << 48) << 64)),
            "x-hub-signature-256": f"sha256={sign}",
        }
        await self._post(self._board.webhooks, {}, lambda: content, headers)

    async def upload(self, about: Mapping[str, str], files: Sequence[tuple[str, bytes]]) -> None:
        """Upload the reports of one job: one as it is, several as the files of a form."""
        if not files or not self._board.reports:
            return
        told = b"".join(content for _, content in files) + repr(sorted(about.items())).encode()
        headers = {
            "authorization": f"Bearer {self._board.token}",
            "idempotency-key": hashlib.sha256(told).hexdigest(),
        }
        if len(files) == 1:
            kind, content = files[0]
            headers["content-type"] = "application/octet-stream"
            await self._post(f"{self._board.reports}/{kind}", about, lambda: content, headers)
            return

        def form() -> aiohttp.FormData:
            found = aiohttp.FormData()
            for kind, content in files:
                found.add_field("report", content, filename=kind, content_type="application/octet-stream")
            return found

        await self._post(f"{self._board.reports}/auto", about, form, headers)

    async def _post(self, url: str, query: Mapping[str, str], body: Any, headers: dict[str, str]) -> None:
        assert self._session is not None
        for attempt in range(TRIES):
            try:
                async with (
                    self._free,
                    self._session.post(
                        url, params=query, data=body(), headers=headers, allow_redirects=False
                    ) as answer,
                ):
                    if answer.status in (401, 403, 429) or answer.status >= 500:
                        pass  # a token may be younger than this; a limit passes
                    else:
                        if answer.status >= 400:
                            log.warning("the board refused what the demo's CI told: %s", answer.status)
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(min(0.2 * (attempt + 1), 2.0))
        log.warning("the demo's CI was not heard")
