"""The one thing the API server asks a kubelet for here: a container's log. It is made up, and says whose it is."""

import ssl
from pathlib import Path

from aiohttp import web


async def serve_logs(certificates: Path) -> web.AppRunner:
    """A kubelet's /containerLogs by TLS on a port of loopback, with the API server's own certificate."""
    site = web.Application()
    site.router.add_get("/containerLogs/{namespace}/{pod}/{container}", _log)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return runner


async def _log(request: web.Request) -> web.Response:
    run = "the run before" if request.query.get("previous") == "true" else "this run"
    return web.Response(text=f"{request.match_info['pod']} said this in {run}\n")
