"""Static files: for ever where the name carries the content's hash, else revalidated by entity tag; text is packed.

What was packed is kept: the files are few, and the same until the server starts anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from app.domain.policy import Permission

from .auth.access import needs
from .packing import packed, takes_gzip
from .sheets import sheet

_PACKAGE = Path(__file__).parents[1]
_TEXT = frozenset({".css", ".js", ".svg", ".json", ".txt"})
_SHEET = re.compile(r"css/shipboard\.[0-9a-f]{12}\.css")
_HASHED = re.compile(r"\.[0-9a-f]{12}\.[a-z0-9]+$")


def resources(name: str) -> Path:
    """The directory `name` ("static", "templates"): inside the installed package, else of the checkout."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


class Static(StaticFiles):
    """Files with the caching their names allow, and text packed for who takes it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self._packed: dict[str, tuple[str, bytes]] = {}
        self._sheet = sheet(directory)
        self._sheet_packed = packed(self._sheet.text.encode(), 9)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As the base class, plus Cache-Control."""
        if scope["method"] in ("GET", "HEAD") and _SHEET.fullmatch(path):
            return self._sheets(path == self._sheet.name, scope)
        response = await super().get_response(path, scope)
        fixed = _HASHED.search(path) and response.status_code < 400
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if fixed else "no-cache"
        return response

    def _sheets(self, asked: bool, scope: Scope) -> Response:
        """The sheet of all pages. A replica that is a version behind or ahead is asked for another than its own: better
        that one, not kept, than a page without any."""
        kept = "public, max-age=31536000, immutable" if asked else "no-cache"
        headers = {"cache-control": kept, "vary": "Accept-Encoding"}
        if takes_gzip(Headers(scope=scope).getlist("accept-encoding")):
            headers["content-encoding"] = "gzip"
            return Response(self._sheet_packed, 200, headers, media_type="text/css")
        return Response(self._sheet.text, 200, headers, media_type="text/css")

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """As the base class; text with gzip, under a tag of its own, for who takes it and wants all of it."""
        plain = super().file_response(full_path, stat_result, scope, status_code)
        asked = Headers(scope=scope)
        if Path(full_path).suffix not in _TEXT:
            return plain
        plain.headers["vary"] = "Accept-Encoding"
        if "range" in asked or not takes_gzip(asked.getlist("accept-encoding")):
            return plain
        file = FileResponse(full_path, stat_result=stat_result)
        tag = f'{file.headers["etag"][:-1]}-gzip"'
        kept = self._packed.get(str(full_path))
        if kept is None or kept[0] != tag:
            kept = self._packed[str(full_path)] = tag, packed(Path(full_path).read_bytes(), 9)
        headers = {"content-encoding": "gzip", "etag": tag, "vary": "Accept-Encoding"}
        answer = Response(kept[1], status_code, headers, media_type=file.media_type)
        return NotModifiedResponse(answer.headers) if self.is_not_modified(answer.headers, asked) else answer


def install(app: FastAPI, directory: Path | None = None) -> None:
    """Serve `directory` (default: the project's own) at /static, with robots.txt and favicon.ico at the
    root."""
    directory = directory or resources("static")
    app.mount("/static", Static(directory=directory), name="static")

    async def robots() -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n", headers={"cache-control": "max-age=86400"})

    async def favicon() -> Response:
        return RedirectResponse("/static/favicon.svg", 308, {"cache-control": "max-age=86400"})

    for path, route in (("/robots.txt", robots), ("/favicon.ico", favicon)):
        app.add_api_route(
            path,
            route,
            methods=["GET", "HEAD"],
            include_in_schema=False,
            dependencies=[needs(Permission.OPEN)],
        )
