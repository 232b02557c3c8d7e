"""Everything that Apprise knows: chats, mail, pagers. It is an extra, imported when the first message goes out.

Its address is a secret, so nothing of it is logged or shown but its scheme, and Apprise's own log is closed: it
quotes addresses. Apprise connects by itself; schemes that speak to any address, or to this machine, are refused.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, field
from typing import Any

from app.domain.refusals import Broken, ClusterError, Failed, Misconfigured, Unreachable

from .port import Message

SECONDS = 30.0
ANYWHERE = frozenset({"form", "forms", "json", "jsons", "xml", "xmls"})
"""Schemes that speak HTTP to whatever address stands behind them."""
HERE = frozenset({"dbus", "glib", "gnome", "kde", "macosx", "qt", "rsyslog", "syslog", "windows"})
"""Schemes that speak to this machine."""


@dataclass(slots=True)
class Chat:
    """One address of Apprise. `private` permits those of `ANYWHERE`."""

    url: str = field(repr=False)
    private: bool = False
    _apprise: Any = field(default=None, repr=False)

    @property
    def sort(self) -> str:
        """The scheme: "mailto", "msteams"."""
        found = re.match(r"[a-zA-Z][a-zA-Z0-9]{0,30}(?=://)", self.url)
        return found[0].lower() if found else "apprise"

    async def send(self, message: Message) -> str:
        """Have Apprise send it. Raises ClusterError."""
        if self._apprise is None:
            self._apprise = await asyncio.to_thread(self._opened)
        text = "\n".join((*message.lines, message.url))
        try:
            async with asyncio.timeout(SECONDS):
                taken = await asyncio.to_thread(self._apprise.notify, body=text, title=message.title)
        except TimeoutError:
            raise Unreachable(f"{self.sort} does not answer", f"Not within {SECONDS:.0f} s") from None
        except ClusterError:
            raise
        except Exception as error:
            raise Broken(f"{self.sort} cannot be told", type(error).__name__) from None
        if not taken:
            raise Failed(f"{self.sort} did not take it", "Apprise does not say why", "Check its address")
        return ""

    async def close(self) -> None:
        """It keeps nothing open."""

    def _opened(self) -> Any:
        if self.sort in HERE or (self.sort in ANYWHERE and not self.private):
            todo = "Use a webhook, or set `private: true`" if self.sort in ANYWHERE else "Use another"
            raise Misconfigured(
                f"{self.sort}:// is not spoken", "It reaches more than a chat or a mailbox", todo
            )
        try:
            import apprise
        except ImportError:
            todo = "Install shipboard[notify]"
            raise Misconfigured(f"{self.sort} cannot be told", "Apprise is not installed", todo) from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(
            app_id="Shipboard", app_desc="Shipboard", app_url="", secure_logging=True
        )
        made = apprise.Apprise(asset=asset)
        if not made.add(self.url):
            raise Misconfigured(f"{self.sort} cannot be told", "Apprise cannot read the address", "Mend it")
        return made
