"""A server that answers like the APIs of GitHub and GitLab do where gates are concerned, and remembers what it was
asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class ForgeServer:
    """What was asked, in order, as (method, path, body); and answers to come in place of the usual ones, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, Any]] = []
        self.bearers: list[str] = []
        self.instead: dict[str, list[tuple[int, dict[str, str]]]] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    def said(self, end: str) -> list[Any]:
        """The bodies posted to paths that end so."""
        return [body for method, path, body in self.asked if method == "POST" and path.endswith(end)]

    async def answer(self, request: web.Request) -> web.Response:
        """Whatever is asked."""
        path = request.path
        body: Any = await request.json() if request.can_read_body else None
        self.asked.append((request.method, path, body))
        self.bearers.append(
            request.headers.get("authorization") or request.headers.get("private-token") or ""
        )
        for end, answers in self.instead.items():
            if path.endswith(end) and answers:
                status, headers = answers.pop(0)
                return web.json_response({"message": "no"}, status=status, headers=headers)
        if path.endswith("/access_tokens"):
            return web.json_response({"token": f"ghs_{path.split('/')[-2]}"}, status=201)
        if path.endswith("/installation"):
            return web.json_response({"id": 99})
        if path.endswith("/deployments"):
            found = [d for d in self.deployments.values() if d["status"] == request.query["status"]]
            return web.json_response(found)
        if path.endswith("/approval"):
            ident = path.split("/")[-2]
            self.deployments[ident]["status"] = "created" if body["status"] == "approved" else "failed"
            return web.json_response({"status": body["status"]}, status=201)
        if path.endswith("/play"):
            self.jobs[path.split("/")[-2]]["status"] = "pending"
            return web.json_response({"status": "pending"})
        if request.method == "GET":
            kind, ident = path.split("/")[-2:]
            known = self.jobs if kind == "jobs" else self.deployments
            return web.json_response(known[ident]) if ident in known else web.json_response({}, status=404)
        return web.Response(status=204 if "/repos/" in path else 201)


@asynccontextmanager
async def forge_server() -> AsyncIterator[ForgeServer]:
    """One, listening."""
    server = ForgeServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
