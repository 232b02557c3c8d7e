"""Packages of bills of materials: of a report, of an image, and which running images contain one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.domain.packages import MAX_SEARCH, Package, words
from app.domain.policy import Permission
from app.domain.rollout import Attention
from app.read import packages as read
from app.read.artifacts import RunningLine
from app.read.board import Clause, Sentence
from app.read.holders import NO_BILL, Holder, Holders, Untold
from app.read.packages import Packages
from app.store.db import Database
from app.web.answers import refusal
from app.web.auth import needs
from app.web.pages import holders as page
from app.web.streams import Hub

from .held import parsed, resource
from .listing import Cursor, Limit, Listed, answers, listed, position

_POSITION = msgspec.json.Decoder(int)
_PACKAGE = Package(
    "org.apache.logging.log4j/log4j-core",
    "2.24.1",
    "Apache-2.0",
    "pkg:maven/org.apache.logging.log4j/log4j-core@2.24.1",
)
_RUNS = RunningLine("prod/shop/Deployment/cart", "cart", "production", "1.2.3", Attention.GOOD, "Good")
_SAID = "One running image contains it, in production"
_EXAMPLE = Holders(
    "log4j-core",
    2,
    (Holder("sha256:" + "4f" * 32, "ghcr.io/acme/cart:1.2.3", 1, (_PACKAGE,), (_RUNS,)),),
    (Untold("sha256:" + "5e" * 32, "ghcr.io/acme/rates:1.0.0", NO_BILL, ()),),
    Sentence((Clause(None, _SAID, "."),), f"{_SAID}."),
)
_ABOUT = "Only those that have all of these words in name, version, licence or address."
Search = Annotated[str, Query(max_length=MAX_SEARCH, description=_ABOUT)]


def add(router: APIRouter, hub: Hub, database: Database) -> None:
    """Add the operations to `router`."""
    documented: dict[int | str, dict[str, Any]] = answers({"items": [_PACKAGE], "next": None}, [], 400)

    @router.get(
        "/artifacts",
        dependencies=[needs(Permission.VIEW)],
        response_model=Holders,
        responses=answers(_EXAMPLE, [_EXAMPLE], 400, 404),
    )
    async def containing(request: Request, package: Search = "") -> Response:
        """Which running images contain a package, where they run, and of which nobody can tell. As a stream: the whole,
        whenever it changed."""
        query = parsed(request, page.HoldersQuery.parse)
        return await resource(
            request, hub, query, page.find, query.query_string(), absent="Too many packages"
        )

    @router.get(
        "/artifacts/{digest}/packages",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[Package],
        responses=documented,
    )
    async def of_image(
        request: Request,
        digest: Annotated[str, Path(pattern="^sha256:[0-9a-f]{64}$")],
        package: Search = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """What an image is made of, by its bills of materials; none where nobody told."""
        async with database.reading() as connection:
            found = await read.of_image(connection, digest)
        return _listed(request, found, package, limit, cursor)

    @router.get(
        "/reports/{ident}/packages",
        dependencies=[needs(Permission.VIEW)],
        response_model=Listed[Package],
        responses=documented,
    )
    async def of_report(
        request: Request,
        ident: Annotated[str, Path(pattern="^[0-9a-f]{24}$")],
        package: Search = "",
        limit: Limit = 100,
        cursor: Cursor = "",
    ) -> Response:
        """What a bill of materials lists; none where the report is no such bill."""
        async with database.reading() as connection:
            found = await read.of_report(connection, ident)
        return _listed(request, found, package, limit, cursor)


def _listed(request: Request, found: Packages, search: str, limit: int, cursor: str) -> Response:
    try:
        items: Sequence[Package] = found.found(words(search))
    except ValueError as error:
        raise refusal(request, 400, "Invalid parameter", str(error), "Change it, or leave it out.") from None
    first = position(request, "packages", cursor, _POSITION) or 0
    end = first + limit
    return listed(request, "packages", items[first:end], end if first >= 0 and end < len(items) else None)
