"""What links images with commits becomes rows: links, aliases and tags, as CI and reports tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.artifacts import Alias, AliasKind, Link, Trust
from app.domain.ci import ArtifactSeen
from app.domain.names import ImageRef, cut
from app.domain.reports import Bill, Contents, Image, Reported, ScanReport
from app.store.mapping import Values
from app.store.report_tables import ALIAS, LINK, TAG

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def record_artifacts(connection: AsyncConnection, facts: Iterable[object]) -> None:
    """Write what `facts` tell of links, aliases and tags; what was known is dated anew."""
    links: dict[tuple[Any, ...], Values] = {}
    aliases: dict[tuple[Any, ...], Values] = {}
    tags: dict[tuple[Any, ...], Values] = {}
    for fact in facts:
        if isinstance(fact, ArtifactSeen):
            at = fact.built_at or _EPOCH + timedelta(microseconds=fact.mark.at)
            if fact.sha:
                _link(links, Link(fact.digest, fact.sha, fact.repo or "", Trust.BUILD), at)
            if fact.name and fact.tag:
                _tag(tags, fact.name, fact.tag, fact.digest, at)
        elif isinstance(fact, Reported):
            image = getattr(fact.contents, "image", Image())
            at, told = fact.upload.received_at, fact.upload.target
            for link in image.links:
                # A base image's labels shine through where an image has none of its own.
                if link.trust is Trust.LABEL and told.repo and link.repo != told.repo:
                    continue
                _link(links, link, at)
            if told.digest and told.sha:
                said = f"told with a report ({fact.upload.kind})"
                _link(links, Link(told.digest, told.sha, told.repo, Trust.BUILD, said), at)
            for alias in (*image.aliases, *_told(fact.contents, told.digest, image)):
                aliases[alias.digest, alias.of] = {
                    "digest": alias.digest,
                    "of": alias.of,
                    "kind": alias.kind,
                    "at": at,
                }
            for name in image.tags:
                ref = ImageRef.parse(name)
                if ref.tag and image.digest:
                    _tag(tags, ref.repository, ref.tag, image.digest, at)
    for table, rows in ((LINK, links), (ALIAS, aliases), (TAG, tags)):
        if rows:
            await _upsert(connection, table, list(rows.values()))


def _told(contents: Contents | None, digest: str, image: Image) -> Iterable[Alias]:
    """That what was scanned is the image the sender says it is: scanners of a local image know its config alone."""
    if isinstance(contents, ScanReport | Bill) and digest and image.digest not in ("", digest):
        local = any(alias.kind is AliasKind.CONFIG for alias in image.aliases)
        yield Alias(image.digest, AliasKind.MANIFEST if local else AliasKind.CONFIG, digest)


def _link(rows: dict[tuple[Any, ...], Values], link: Link, at: datetime) -> None:
    rows[link.digest, link.sha, link.trust] = {
        "digest": link.digest,
        "sha": link.sha,
        "trust": int(link.trust),
        "repo": link.repo,
        "said": cut(link.said, 200),
        "verified": link.verified,
        "at": at,
    }


def _tag(rows: dict[tuple[Any, ...], Values], name: str, tag: str, digest: str, at: datetime) -> None:
    rows[name, tag, digest] = {"name": name, "tag": tag, "digest": digest, "first_at": at, "at": at}


async def _upsert(connection: AsyncConnection, table: Table, rows: Sequence[Values]) -> None:
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    insert = make(table)
    kept = ("first_at",)
    others: dict[str, Any] = {
        c.name: insert.excluded[c.name] for c in table.columns if not c.primary_key and c.name not in kept
    }
    if table is LINK:  # what was proven once stays so
        others["verified"] = LINK.c.verified | insert.excluded.verified
    keys = list(table.primary_key.columns)
    await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=others), list(rows))
