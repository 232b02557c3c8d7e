"""The audit: who asked for what, and what came of it; and the same as files.

It is read from the database page by page and is no stream: what is printed or exported has to stand still.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.domain.policy import Permission
from app.read import audit as read
from app.read.audit import AuditQuery
from app.web import auth
from app.web.answers import refusal
from app.web.api import cursors
from app.web.auth import needs
from app.web.render import Renderer
from app.web.streams import Hub

_POSITION = msgspec.json.Decoder(int)
_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
_TODO = "Change the address, or open /audit without parameters."


def routes(hub: Hub, renderer: Renderer) -> APIRouter:
    """The page and its two exports."""
    router = APIRouter(include_in_schema=False)

    async def show(request: Request) -> Response:
        now, query = hub.clock(), _query(request)
        try:
            cursor = request.query_params.get("cursor", "")
            below = cursors.decode("audit", cursor, _POSITION) if cursor else None
        except ValueError:
            raise refusal(request, 400, "Invalid cursor", "This cursor was not issued here.", _TODO) from None
        found = await read.page(
            hub.database,
            query,
            below,
            read.SHOWN,
            now,
            choices=True,
            placed=auth.told_where(request.scope),
        )
        pairs = [query.query_string()] if query.query_string() else []
        if found.next:
            pairs.append(urlencode({"cursor": cursors.encode("audit", found.next)}))
        context = {
            "found": found,
            "q": query,
            "older": below is not None,
            "next": f"/audit?{'&'.join(pairs)}" if found.next else "",
            "now": now,
            "viewer": auth.viewer(request.scope),
        }
        headers = {"cache-control": "private, no-store"}
        return Response(renderer.page("audit.html", context), headers=headers, media_type="text/html")

    def exported(form: str) -> None:
        async def file(request: Request) -> Response:
            query, now = _query(request), hub.clock()
            name = f"shipboard-audit-{now:%Y%m%dT%H%M%S}.{form}"
            headers = {
                "cache-control": "private, no-store",
                "content-disposition": f'attachment; filename="{name}"',
            }
            body = read.export(hub.database, query, now, form, placed=auth.told_where(request.scope))
            return StreamingResponse(body, headers=headers, media_type=_TYPES[form])

        router.add_api_route(f"/audit.{form}", file, methods=["GET"], dependencies=[needs(Permission.AUDIT)])

    router.add_api_route("/audit", show, methods=["GET", "HEAD"], dependencies=[needs(Permission.AUDIT)])
    for form in _TYPES:
        exported(form)
    return router


def _query(request: Request) -> AuditQuery:
    try:
        return AuditQuery.parse(request.query_params.multi_items())
    except ValueError as error:
        raise refusal(request, 400, "Invalid parameter", str(error), _TODO) from None
