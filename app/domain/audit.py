"""The audit: one entry for everything that was done or refused, and the chain that shows when one was touched.

Each entry's code is an HMAC-SHA256 over the code before it and the entry's canonical JSON (keys sorted, no spaces,
UTF-8), so that nobody without the key can change, remove, swap or add one unseen. A chain alone does not show that its
tail was cut (the last entries and all that told of them): the head is therefore sealed, and told to the log each
minute, to be held against it.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from .names import cut
from .people import Principal

MAX_TEXT = 2_000
"""Longest text kept of one field."""
_FROM = re.compile(r"\s*\bFrom (?:[0-9A-Fa-f:.]*[0-9A-Fa-f:]|unknown)\.(?=\s|$)")


class Kind(StrEnum):
    """What an entry says happened. Other parts add words of their own."""

    ASKED = "asked"
    REFUSED = "refused"
    SENT = "sent"
    DONE = "done"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Act(StrEnum):
    """What an entry's `verb` can be beside the commands."""

    ENTER = "enter"  # a request that was refused before anything looked at it
    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    END_SESSION = "end-session"
    ADD_USER = "add-user"
    DISABLE_USER = "disable-user"
    ENABLE_USER = "enable-user"
    SET_PASSWORD = "set-password"  # noqa: S105 - a thing to do
    CREATE_TOKEN = "create-token"  # noqa: S105
    REVOKE_TOKEN = "revoke-token"  # noqa: S105
    CREATE_KIOSK = "create-kiosk"
    SET_UP_KIOSK = "set-up-kiosk"
    REVOKE_KIOSK = "revoke-kiosk"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Entry:
    """Who (`identity` "issuer|subject", `name` for display, `session` or token) did what (`kind`: `Kind` or another
    word) to which `object` where, by which `verb` and why; the `digest` of what was seen, what was there `before` and
    is to be `after`, the rules that block, the command and the request it belongs to, and in words what came of it."""

    at: datetime
    kind: str
    identity: str
    name: str = ""
    session: str = ""
    object: str = ""
    environment: str = ""
    verb: str = ""
    reason: str = ""
    digest: str = ""
    before: str = ""
    after: str = ""
    blocked_by: str = ""
    command: str = ""
    request: str = ""
    result: str = ""

    @classmethod
    def of(cls, principal: Principal, kind: str, at: datetime, **more: str) -> Entry:
        """An entry about something that `principal` did."""
        return cls(at, kind, principal.identity, principal.name, principal.session, **more)

    def fitted(self) -> Entry:
        """The entry as it is kept: its texts without control characters and of bounded length, its time in UTC."""
        texts = {name: cut(text, MAX_TEXT) for name, text in asdict(self).items() if name != "at"}
        return Entry(self.at.astimezone(UTC), **texts)

    def unplaced(self) -> Entry:
        """The entry without where it came from: strangers are known by their address, everybody else's stands at the
        end of what came of it."""
        stranger = self.identity.startswith("nobody|")
        return replace(
            self,
            identity="nobody" if stranger else self.identity,
            result=_FROM.sub("", self.result, count=1).strip(),
        )


@dataclass(frozen=True, slots=True)
class Link:
    """An entry in its place in the chain: its number, from 1 without gaps, and its code in hexadecimal."""

    seq: int
    entry: Entry
    mac: str

    def as_json(self) -> dict[str, Any]:
        """The line of an export."""
        return {"seq": self.seq, **_plain(self.entry), "mac": self.mac}

    @classmethod
    def parse(cls, line: dict[str, Any]) -> Link:
        """The opposite of `as_json`. Raises ValueError."""
        try:
            rest = {str(k): v for k, v in line.items() if k not in ("seq", "mac", "at")}
            if not all(isinstance(text, str) for text in (*rest.values(), line["mac"], line["at"])):
                raise ValueError("a field is not text")
            return cls(int(line["seq"]), Entry(datetime.fromisoformat(line["at"]), **rest), line["mac"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an audit entry: {error}") from error


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the chain and the seal that says the key's holder set it: its head, or what was pruned up to."""

    seq: int = 0
    mac: str = ""
    seal: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: how many entries are sound, the number of the first bad one (None: all are sound) and what is
    the matter with it; `head` is the last sound one."""

    sound: int
    head: Mark
    bad: int | None = None
    why: str = ""


def code(key: bytes, before: str, seq: int, entry: Entry) -> str:
    """The code of an entry that follows the one whose code is `before` (empty for the first)."""
    body = json.dumps(
        {"seq": seq, **_plain(entry)}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hmac.digest(key, f"{before}\n{body}".encode(errors="surrogatepass"), "sha256").hex()


def seal(key: bytes, name: str, seq: int, mac: str) -> str:
    """The seal of a mark called `name` ("head", "checkpoint")."""
    return hmac.digest(key, f"{name}\n{seq}\n{mac}".encode(), "sha256").hex()


def check(
    links: Iterable[Link],
    key: bytes,
    *,
    since: Mark | None = None,
    head: Mark | None = None,
    told: Mark | None = None,
) -> Finding:
    """Follow the chain in its order, from its beginning or from the checkpoint `since`.

    `head` is the mark that lies with the entries, `told` one that was exported before (its seal is not looked at): both
    have to be found in the chain.
    """
    last, sound = Mark(), 0
    if since and since.seq:
        if not hmac.compare_digest(since.seal, seal(key, "checkpoint", since.seq, since.mac)):
            return Finding(
                0, last, since.seq, "the checkpoint of what was pruned was not sealed with this key"
            )
        last = Mark(since.seq, since.mac)
    passed = told is None or told.seq == 0 or (told.seq, told.mac) == (last.seq, last.mac)
    for link in links:
        if link.seq != last.seq + 1:
            return Finding(sound, last, last.seq + 1, f"it is missing: after {last.seq} comes {link.seq}")
        if not hmac.compare_digest(link.mac, code(key, last.mac, link.seq, link.entry)):
            why = "it, or its place in the chain, is not what was written with this key"
            return Finding(sound, last, link.seq, why)
        last, sound = Mark(link.seq, link.mac), sound + 1
        if told and told.seq == link.seq:
            if told.mac != link.mac:
                return Finding(sound - 1, last, link.seq, "it is another one than the head that was exported")
            passed = True
    if told and told.seq > last.seq:
        return Finding(sound, last, last.seq + 1, f"it is missing: the exported head is {told.seq}")
    if not passed and told and not (since and told.seq < since.seq):
        return Finding(sound, last, told.seq, "the exported head is not in this chain")
    if head is not None:
        if head.seq != last.seq or head.mac != last.mac:
            return Finding(sound, last, last.seq + 1, f"it is missing: the head stands at {head.seq}")
        if head.seq and not hmac.compare_digest(head.seal, seal(key, "head", head.seq, head.mac)):
            return Finding(
                sound, last, last.seq + 1, "it may be missing: the head was not sealed with this key"
            )
    return Finding(sound, last)


def check_lines(lines: Iterable[dict[str, Any]], key: bytes, told: Mark | None = None) -> Finding:
    """`check` for the lines of an export. Raises ValueError for what is none."""
    marks: dict[str, Mark] = {}
    links: list[Link] = []
    for line in lines:
        if "mark" in line:
            try:
                marks[str(line["mark"])] = Mark(int(line["seq"]), str(line["mac"]), str(line["seal"]))
            except (KeyError, TypeError) as error:
                raise ValueError(f"not a mark: {error}") from error
        else:
            links.append(Link.parse(line))
    return check(links, key, since=marks.get("checkpoint"), head=marks.get("head"), told=told)


def _plain(entry: Entry) -> dict[str, str]:
    return {**asdict(entry), "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds")}
