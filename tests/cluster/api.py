"""A Kubernetes API as the tests speak to it: any request, the raw answer, and a watch. Any cluster of a kubeconfig."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from kubernetes.aio import client, config

Obj = dict[str, Any]
JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Obj:
        said: Obj = json.loads(self.body)
        return said


class Refused(Exception):
    """An answer of 400 or more where one below was needed."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body[:300]!r}")
        self.answer = answer


class Api:
    """One API server, as the user of a kubeconfig's current context. Use as an async context manager."""

    def __init__(self, kubeconfig: str | Path) -> None:
        self.kubeconfig = Path(kubeconfig)
        self.url = ""

    async def __aenter__(self) -> Self:
        settings = client.Configuration()
        await config.load_kube_config(
            str(self.kubeconfig), client_configuration=settings, persist_config=False
        )
        self.url = settings.host.rstrip("/")
        connector = aiohttp.TCPConnector(limit=0)
        if self.url.startswith("https:"):
            context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
            if settings.cert_file:
                context.load_cert_chain(settings.cert_file, settings.key_file)
            connector = aiohttp.TCPConnector(limit=0, ssl=context)
        token = settings.api_key.get("BearerToken") or ""
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"Authorization": token} if token else None, trust_env=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(
        self, method: str, path: str, body: Any = None, *, type: str = "application/json",  # noqa: A002
        accept: str = "application/json", seconds: float = 30, **query: Any,
    ) -> Answer:  # fmt: skip
        """Any request; `body` is sent as it is if bytes, else as JSON."""
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Accept": accept} | ({"Content-Type": type} if sent is not None else {})
        async with self._session.request(
            method, self.url + path, data=sent, headers=headers, params={k: str(v) for k, v in query.items()},
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=5),
        ) as response:  # fmt: skip
            return Answer(response.status, dict(response.headers), await response.read())

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Obj:
        """Like `ask`, for an answer that has to be good. Raises Refused."""
        answer = await self.ask(method, path, body, **options)
        if answer.status >= 400:
            raise Refused(answer)
        return answer.json

    async def get(self, path: str, **query: Any) -> Obj:
        return await self.ok("GET", path, **query)

    async def create(self, path: str, body: Obj, **query: Any) -> Obj:
        return await self.ok("POST", path, body, **query)

    async def patch(self, path: str, body: Any, *, type: str = MERGE, **query: Any) -> Obj:  # noqa: A002
        return await self.ok("PATCH", path, body, type=type, **query)

    async def delete(self, path: str, body: Obj | None = None, **query: Any) -> Obj:
        return await self.ok("DELETE", path, body, **query)

    async def watch(self, path: str, version: str, *, seconds: int = 60, **query: Any) -> AsyncGenerator[Obj]:
        """Events from `version` on until the server ends the stream. Raises Refused, aiohttp.ClientError."""
        asked = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        async with self._session.get(
            self.url + path, params=asked | {k: str(v) for k, v in query.items()},
            timeout=aiohttp.ClientTimeout(total=seconds + 5, sock_connect=5), read_bufsize=1 << 22,
        ) as response:  # fmt: skip
            if response.status >= 400:
                raise Refused(Answer(response.status, dict(response.headers), await response.read()))
            async for line in response.content:
                yield json.loads(line)

    async def until(self, path: str, condition: Callable[[Obj], object], seconds: float = 60) -> Obj:
        """The object (or list) at `path` once `condition` holds for it. Raises AssertionError with what it was."""
        ends, answer = time.monotonic() + seconds, None
        while time.monotonic() < ends:
            answer = await self.ask("GET", path)
            if answer.status == 200 and condition(seen := answer.json):
                return seen
            await asyncio.sleep(0.05)
        said = answer.json if answer and answer.status == 200 else {}
        shown = json.dumps(said["status"]) if "status" in said else str(answer)
        raise AssertionError(f"not within {seconds} s: {path}: {shown[:2000]}")
