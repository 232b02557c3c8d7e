"""Requests to a Kubernetes API server.

`kubernetes.aio` serves as transport: credentials, TLS, proxies. Its models are not used; callers decode. Every request
has a time limit, every body a size limit, and every failure becomes one of `domain.refusals`, with text that is safe to
show.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from ..domain.names import cut
from ..domain.refusals import Broken, ClusterError, Lost, Oversized, Unreachable
from ..engines.port import LOG, Kind
from . import credentials
from .answers import Access, failure, read, reason

CONNECT_SECONDS = 5.0
PAGE_SECONDS = 60.0
SILENCE = 15.0
"""Seconds without a byte of an answer after which a connection counts as dead, except on an open watch."""
WATCH_GRACE = 5.0
"""Seconds past the server's own time limit after which a silent watch counts as broken."""
FIELD_MANAGER = "shipboard"
"""Under this name the server keeps which fields we wrote."""
MAX_PAGE = 64 << 20
MAX_LINE = 16 << 20
MAX_ERROR = 64 << 10


Query = Sequence[tuple[str, str]]


def _doing(verb: str, kind: Kind, namespace: str) -> str:
    return f"{verb} {kind.plural} in {namespace or 'all namespaces'}"


class Cluster:
    """One API server and the account used on it. Create with `from_kubeconfig`, `in_cluster` or `at`; close
    after use."""

    def __init__(self, name: str, load: credentials.Load, api: client.ApiClient) -> None:
        self.name = name
        self._load = load
        self._api = api
        self.renew_gap = 5.0
        self._renewed = time.monotonic()
        self._renewing = asyncio.Lock()

    @classmethod
    async def from_kubeconfig(
        cls, name: str, path: str | Path | None = None, context: str | None = None
    ) -> Cluster:
        """The cluster of a kubeconfig context (None: the current one). Raises Misconfigured; does not connect
        yet."""
        return await cls._by(name, credentials.kubeconfig(path, context))

    @classmethod
    async def in_cluster(cls, name: str) -> Cluster:
        """The cluster this process runs in, by its service account; the token file is read again every
        minute."""
        return await cls._by(name, credentials.service_account)

    @classmethod
    async def at(cls, name: str, url: str, token: str = "") -> Cluster:
        """A server by address, with a bearer token if there is one; for the embedded cluster."""
        return await cls._by(name, credentials.address(url, token))

    @classmethod
    async def _by(cls, name: str, load: credentials.Load) -> Cluster:
        return cls(name, load, await load())

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def renew(self) -> None:
        """Read the credentials again; within `renew_gap` seconds of the last time do nothing. Ends open
        watches."""
        async with self._renewing:
            if time.monotonic() - self._renewed < self.renew_gap:
                return
            self._renewed = time.monotonic()
            fresh = await self._load()
            old, self._api = self._api, fresh
            await old.close()

    async def page(
        self, kind: Kind, namespace: str = "", *, limit: int = 500, token: str = "", silence: float = SILENCE
    ) -> bytes:
        """One page of a list, from the start or from a continue `token`."""
        query = [("limit", str(limit)), *_fields(kind)] + ([("continue", token)] if token else [])
        within = aiohttp.ClientTimeout(total=PAGE_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=silence)
        return await self._fetch(_doing("list", kind, namespace), kind.path(namespace), query, within)

    async def watch(
        self,
        kind: Kind,
        namespace: str,
        version: str,
        seconds: int,
        *,
        grace: float = WATCH_GRACE,
        silence: float = SILENCE,
    ) -> AsyncGenerator[list[bytes]]:
        """Event lines from `version` on, as they arrive: an empty list once the server has answered, then at
        least one list for each read. Ends when the server ends it (after about `seconds`); raises Broken when
        it does not, when the connection dies, or in the middle of a line."""
        doing = _doing("watch", kind, namespace)
        query = [("watch", "true"), ("resourceVersion", version), *_fields(kind)]
        query += [("allowWatchBookmarks", "true"), ("timeoutSeconds", str(seconds))]
        limit = aiohttp.ClientTimeout(total=seconds + grace, sock_connect=CONNECT_SECONDS)
        try:
            async with asyncio.timeout(silence):
                response = await self._open(doing, kind.path(namespace), query, limit)
        except TimeoutError:
            raise Unreachable(f"Could not {doing}", "no answer in time") from None
        try:
            yield []
            tail = b""
            while chunk := await response.content.readany():
                lines = (tail + chunk).split(b"\n")
                tail = lines.pop()
                if len(tail) > MAX_LINE:
                    raise Broken(f"Could not {doing}", f"one event is larger than {MAX_LINE >> 20} MiB")
                yield lines
            if tail:
                raise Broken(f"Could not {doing}", "the stream stopped in the middle of an event")
        except TimeoutError:
            raise Broken(f"Could not {doing}", "the watch fell silent", "Shipboard opens it again") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Broken(f"Could not {doing}", f"the connection broke ({type(error).__name__})") from error
        finally:
            response.close()

    async def get(self, path: str, query: Query = (), *, seconds: float = 10.0) -> bytes:
        """Body of one GET."""
        return await self._fetch(f"read {path}", path, query, _within(seconds))

    async def patch(
        self, path: str, body: Any, content: str, *, dry_run: bool = False, seconds: float = 10.0
    ) -> bytes:
        """Change the object at `path` by a patch of media type `content`; answers the object as it is then. A `dry_run`
        is checked by the server and kept by nobody.

        Raises Lost where it cannot be told whether it was carried out; after any other error it was not.
        """
        query = [("fieldManager", FIELD_MANAGER), *_dry(dry_run)]
        return await self._write(f"change {path}", "PATCH", path, query, body, content, seconds)

    async def delete(self, path: str, options: Any, *, dry_run: bool = False, seconds: float = 10.0) -> bytes:
        """Delete the object at `path`; `options` are DeleteOptions with preconditions. Raises as `patch` does."""
        query = _dry(dry_run)
        return await self._write(
            f"delete {path}", "DELETE", path, query, options, "application/json", seconds
        )

    async def log_tail(
        self, namespace: str, pod: str, container: str, *, previous: bool, lines: int, seconds: float = 3.0
    ) -> bytes:
        """The last `lines` of a container's log, at most 64 KiB: of its run before, if `previous`."""
        query = [("container", container), ("tailLines", str(lines)), ("limitBytes", str(64 << 10))]
        query += [("previous", "true")] if previous else []
        path = f"{LOG.path(namespace).removesuffix('/log')}/{pod}/log"
        return await self._fetch(f"read the log of pods in {namespace}", path, query, _within(seconds))

    async def probe(self, kind: Kind, namespace: str = "", *, seconds: float = 4.0) -> bytes:
        """A real, cheap request: a LIST of one object, which needs the API server and its store to work.
        Health end points and open watches do not prove that (a draining server keeps both up)."""
        query = [("limit", "1"), *_fields(kind)]
        return await self._fetch(
            _doing("list", kind, namespace), kind.path(namespace), query, _within(seconds)
        )

    async def may(self, verb: str, kind: Kind, namespace: str = "") -> Access:
        """Whether the account may `verb` this kind (SelfSubjectAccessReview)."""
        group = kind.api.rpartition("/")[0]
        resource, _, sub = kind.plural.partition("/")
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        attributes |= {"subresource": sub} if sub else {}
        said = await self._review(
            "authorization.k8s.io/v1/selfsubjectaccessreviews", {"resourceAttributes": attributes}
        )
        return Access(said.get("allowed") is True, cut(str(said.get("reason") or "")))

    async def whoami(self) -> str:
        """The account's name (SelfSubjectReview, Kubernetes 1.28); Absent on older servers."""
        said = await self._review("authentication.k8s.io/v1/selfsubjectreviews", {})
        info = said.get("userInfo")
        return cut(str(info.get("username") or "")) if isinstance(info, dict) else ""

    async def _review(self, path: str, spec: dict[str, Any]) -> dict[str, Any]:
        doing = "ask about its own rights"
        body = await self._fetch(doing, f"/apis/{path}", [], _within(10.0), {"spec": spec})
        with suppress(ValueError, AttributeError):
            said = json.loads(body).get("status")
            if isinstance(said, dict):
                return said
        raise Broken(f"Could not {doing}", "the answer is not a review")

    async def _fetch(
        self, doing: str, path: str, query: Query, within: aiohttp.ClientTimeout, body: Any = None
    ) -> bytes:
        response = await self._open(doing, path, query, within, body)
        try:
            return await read(response, MAX_PAGE, doing)
        except TimeoutError:
            raise Unreachable(f"Could not {doing}", "no full answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Broken(f"Could not {doing}", f"the connection broke ({type(error).__name__})") from error
        finally:
            response.release()

    async def _write(
        self, doing: str, method: str, path: str, query: Query, body: Any, content: str, seconds: float
    ) -> bytes:
        lost = f"Could not {doing} for certain"
        try:
            response = await self._open(doing, path, query, _within(seconds), body, method, content)
        except ClusterError as error:
            unsent = isinstance(error.__cause__, aiohttp.ClientConnectorError | config.ConfigException)
            if unsent or 400 <= error.status < 500:
                raise
            raise Lost(lost, error.why) from error
        try:
            return await read(response, MAX_PAGE, doing)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, Oversized) as error:
            raise Lost(lost, f"the answer broke off ({type(error).__name__})") from error
        finally:
            response.release()

    async def _open(
        self,
        doing: str,
        path: str,
        query: Query,
        within: aiohttp.ClientTimeout,
        body: Any = None,
        method: str = "",
        content: str = "",
    ) -> aiohttp.ClientResponse:
        try:
            request = await self._api.param_serialize(
                method or ("GET" if body is None else "POST"),
                path,
                query_params=list(query),
                header_params={
                    "Accept": "application/json",
                    **({"Content-Type": content} if content else {}),
                },
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._api.call_api(*request, _request_timeout=within)
            response: aiohttp.ClientResponse = answer.response
            if response.status < 400:
                return response
        except TimeoutError:
            raise Unreachable(f"Could not {doing}", "no answer in time") from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unreachable(f"Could not {doing}", f"certificate not trusted: {error}") from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError, config.ConfigException) as error:
            raise Unreachable(
                f"Could not {doing}", reason(error), "Is the API server up and reachable?"
            ) from error
        said = b""
        try:
            said = await read(response, MAX_ERROR, doing)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, Oversized):
            pass  # the status alone tells enough
        finally:
            response.close()
        refused = failure(doing, response.status, said, response.headers)
        refused.status = response.status
        raise refused


def _dry(dry_run: bool) -> Query:
    return [("dryRun", "All")] if dry_run else []


def _fields(kind: Kind) -> Query:
    return [("fieldSelector", kind.fields)] if kind.fields else []


def _within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_SECONDS))
