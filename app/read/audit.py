"""The audit as it is looked at: filtered, newest first, page by page; and as files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, and_, func, or_, select

from app.domain import instants
from app.domain.audit import Entry
from app.store.audit import HEAD, link_of, marks
from app.store.audit import lines as whole
from app.store.db import Database
from app.store.tables import AUDIT

SHOWN = 100
"""Entries on a page."""
MOST = 100_000
"""Entries in an exported file."""
_AGO = re.compile(r"(\d{1,4})(min|h|d)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
FILTERS = ("who", "verb", "environment", "workload", "result", "since")


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry: its number, and the fields of `domain.audit.Entry`."""

    seq: int
    at: datetime
    kind: str
    identity: str
    name: str
    session: str
    object: str
    environment: str
    verb: str
    reason: str
    digest: str
    before: str
    after: str
    blocked_by: str
    command: str
    request: str
    result: str


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries: `who` and `workload` are parts of names, `result` a kind of entry ("refused"), `since` a time (ISO
    8601) or an age ("90min", "24h", "7d"); what is empty is not asked for."""

    who: str = ""
    verb: str = ""
    environment: str = ""
    workload: str = ""
    result: str = ""
    since: str = ""

    @classmethod
    def parse(cls, pairs: Iterable[tuple[str, str]]) -> AuditQuery:
        """The filters among parameters. Raises ValueError."""
        found = cls(**{name: text.strip()[:200] for name, text in pairs if name in FILTERS})
        found.moment(datetime.now(UTC))
        return found

    def query_string(self) -> str:
        """The filters that are set, in a fixed order."""
        return urlencode([(name, text) for name in FILTERS if (text := getattr(self, name))])

    def moment(self, now: datetime) -> datetime | None:
        """What `since` comes to. Raises ValueError."""
        if not self.since:
            return None
        if ago := _AGO.fullmatch(self.since):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        try:
            at = datetime.fromisoformat(self.since)
            return instants.in_utc(at if at.tzinfo else at.replace(tzinfo=UTC))
        except ValueError:
            raise ValueError(
                f"since is a time like 2026-11-23T14:00Z or an age like 24h, not {self.since!r}."
            ) from None

    def conditions(self, now: datetime, *, placed: bool) -> list[ColumnElement[bool]]:
        """The same for the database; where addresses are not told (`placed`), they are not looked through either."""
        found: list[ColumnElement[bool]] = []
        if self.who:
            found.append(
                or_(
                    AUDIT.c.name.icontains(self.who, autoescape=True),
                    AUDIT.c.identity.icontains(self.who, autoescape=True)
                    if placed
                    else and_(
                        AUDIT.c.identity.icontains(self.who, autoescape=True),
                        AUDIT.c.identity.not_like("nobody|%"),
                    ),
                )
            )
        for column, wanted in (
            (AUDIT.c.verb, self.verb),
            (AUDIT.c.environment, self.environment),
            (AUDIT.c.kind, self.result),
        ):
            if wanted:
                found.append(column == wanted)
        if self.workload:
            found.append(AUDIT.c.object.icontains(self.workload, autoescape=True))
        if moment := self.moment(now):
            found.append(AUDIT.c.at >= moment)
        return found


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the audit: `rows` newest first, `next` the number to go on below (None: that was all); `total` entries
    are kept in all, and the chain's head is `head`, with the first digits of its code. `verbs`, `environments` and
    `results` are what can be chosen from."""

    rows: tuple[AuditRow, ...]
    next: int | None
    total: int
    head: int
    code: str
    verbs: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


async def page(
    database: Database,
    query: AuditQuery,
    below: int | None,
    limit: int,
    now: datetime,
    *,
    choices: bool = False,
    placed: bool = False,
) -> AuditPage:
    """Up to `limit` entries below number `below`; `placed`: with the addresses they came from. Raises StoreUnavailable,
    ValueError."""
    statement = select(AUDIT).where(*query.conditions(now, placed=placed))
    if below is not None:
        statement = statement.where(AUDIT.c.seq < below)
    statement = statement.order_by(AUDIT.c.seq.desc()).limit(limit + 1)
    async with database.reading() as connection:
        links = [link_of(row) for row in await connection.execute(statement)]
        rows = [_row(each.seq, each.entry if placed else each.entry.unplaced()) for each in links]
        total = await connection.scalar(select(func.count()).select_from(AUDIT))
        head = (await marks(connection))[HEAD]
        found: list[tuple[str, ...]] = []
        if choices:
            for column in (AUDIT.c.verb, AUDIT.c.environment, AUDIT.c.kind):
                distinct = select(column).where(column != "").distinct().order_by(column).limit(50)
                found.append(tuple(await connection.scalars(distinct)))
    more = rows[limit - 1].seq if len(rows) > limit else None
    return AuditPage(tuple(rows[:limit]), more, int(total or 0), head.seq, head.mac[:12], *found)


async def export(
    database: Database, query: AuditQuery, now: datetime, form: str, *, placed: bool = False
) -> AsyncIterator[bytes]:
    """The entries, oldest first, as JSON lines ("jsonl", with the codes of the chain) or "csv" with a head line;
    `placed` as for `page`.

    Without filters the JSON lines are those that `shipboard audit verify` checks. What is not `placed` has no codes:
    they are of entries with all that is in them.
    """
    seq, left = 0, MOST
    if form == "jsonl" and placed and not query.query_string():
        async with database.reading() as connection:
            async for line in whole(connection):
                yield (json.dumps(line, ensure_ascii=False) + "\n").encode()
        return
    if form == "csv":
        yield _csv([[field.name for field in fields(AuditRow)]])
    while left > 0:
        statement = (
            select(AUDIT)
            .where(*query.conditions(now, placed=placed), AUDIT.c.seq > seq)
            .order_by(AUDIT.c.seq)
            .limit(min(1000, left))
        )
        async with database.reading() as connection:
            links = [link_of(row) for row in await connection.execute(statement)]
        if not links:
            return
        seq, left = links[-1].seq, left - len(links)
        if not placed:
            links = [replace(each, entry=each.entry.unplaced(), mac="") for each in links]
        if form == "csv":
            yield _csv(
                [[str(value) for value in asdict(_row(each.seq, each.entry)).values()] for each in links]
            )
        else:
            lines = (json.dumps(each.as_json(), ensure_ascii=False) for each in links)
            yield ("\n".join(lines) + "\n").encode()


def _row(seq: int, entry: Entry) -> AuditRow:
    return AuditRow(seq, **asdict(entry))


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    """A cell that a spreadsheet would take for a formula is quoted as text (OWASP, CSV injection)."""
    text = io.StringIO()
    safe = ([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    csv.writer(text, lineterminator="\r\n").writerows(safe)
    return text.getvalue().encode()
