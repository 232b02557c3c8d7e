"""Static files: for ever where the name carries the content's hash, revalidated by entity tag otherwise."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.domain.policy import Permission

from .auth.access import needs

_PACKAGE = Path(__file__).parents[1]
_HASHED = re.compile(r"\.[0-9a-f]{12}\.[a-z0-9]+$")


def resources(name: str) -> Path:
    """The directory `name` ("static", "templates"): inside the installed package, else of the checkout."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


class Static(StaticFiles):
    """Files with the caching their names allow."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As the base class, plus Cache-Control."""
        response = await super().get_response(path, scope)
        fixed = _HASHED.search(path) and response.status_code < 400
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if fixed else "no-cache"
        return response


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
