"""Logs: one JSON object a line on standard error (plain text on a terminal), libraries' lines included.

Whatever is logged may be hostile: control characters, line ends and bidirectional overrides are escaped,
fields are cut, and query strings are left out, since they may hold secrets. A request's lines share its id.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from secrets import token_hex
from typing import Any, TextIO

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_FIELD = 2_000
"""Longest field, in characters; a stack may be four times that."""
_STACKS = frozenset({"exception", "stack"})
_QUIET = ("/static/", "/healthz", "/ready", "/metrics")

log = structlog.get_logger("shipboard.request")


def configure(style: str = "", stream: TextIO | None = None, quiet: bool = False) -> None:
    """Send all logs to `stream` (standard error) as "json" or "text"; "" takes text on a terminal. `quiet`
    leaves out everything below warnings."""
    stream = stream or sys.stderr
    text = style == "text" or (not style and stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    render: structlog.typing.Processor = _text if text else structlog.processors.JSONRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, bounded, render],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING if quiet else logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("alembic", "uvicorn.error"):  # of a normal start and end the process says enough itself
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def bounded(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Every value a plain one, every text bounded and free of what could forge a line or steer a terminal."""
    return {
        _printable(str(key), 100): (
            "\n".join(_printable(line, MAX_FIELD) for line in str(value)[-4 * MAX_FIELD :].splitlines())
            if key in _STACKS
            else _plain(value)
        )
        for key, value in event.items()
        if not str(key).startswith("color_")
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _printable(value if isinstance(value, str) else repr(value), MAX_FIELD)


def _printable(text: str, limit: int) -> str:
    if len(text) > limit:
        text = text[:limit] + f"… ({len(text):,} characters)"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _text(_logger: Any, _method: str, event: Mapping[str, Any]) -> str:
    fields = dict(event)
    at, level = str(fields.pop("timestamp", ""))[11:23], str(fields.pop("level", ""))
    what = fields.pop("event", "")
    fields.pop("logger", None)
    stack = [str(fields.pop(name)).replace("\n", "\n    ") for name in _STACKS if name in fields]
    pairs = "  ".join(f"{key}={value}" for key, value in fields.items())
    return f"{at} {level:<7} {what}{'  ' + pairs if pairs else ''}" + "".join(f"\n    {s}" for s in stack)


def without_secret(path: str) -> str:
    """`path` as it may be logged or told: a screen's link, Flagger's hooks and the last part of a hook's address hold a
    secret, also where a sender has the address wrong (a prefix, capitals)."""
    return _SECRET.sub(r"\1…", path)


_SECRET = re.compile(
    r"^(?!(?:/api/v1)?/workloads/)(.*?/(?:kiosk/+|hooks/+flagger/+|hooks/+[^/]+/+[^/]+/+)).+",
    re.DOTALL | re.IGNORECASE,
)


class RequestLog:
    """ASGI: gives a request its id (`scope["state"]["request_id"]`, header X-Request-Id) and logs one line
    when it ends; a stream's line comes when the stream ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ident = token_hex(8)
        scope.setdefault("state", {})["request_id"] = ident
        status, size, began = 0, 0, time.monotonic()

        async def counting(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", ident.encode())]}
            else:
                size += len(message.get("body", b""))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=ident):
            try:
                await self._app(scope, receive, counting)
            finally:
                write = log.debug if scope["path"].startswith(_QUIET) and status < 500 else log.info
                write(
                    "request",
                    method=scope["method"],
                    path=without_secret(scope["path"]),
                    status=status,
                    bytes=size,
                    ms=round((time.monotonic() - began) * 1000, 1),
                    client=(scope.get("client") or ("", 0))[0],
                )
