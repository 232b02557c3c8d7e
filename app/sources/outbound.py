"""The one client for addresses that a person or a payload named: it goes where the operator said, and nowhere else.

One origin a client, its credential sent to that alone. The name is resolved here, every address of it checked, and the
connection made to a checked one, so that a name cannot change its mind in between. No redirects, no proxies of
the environment, no body beyond a limit; errors never quote what was answered.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from app.domain.refusals import (
    Absent,
    Broken,
    Denied,
    Failed,
    Lost,
    Misconfigured,
    Throttled,
    Unauthorized,
    Unreachable,
)

from .hooks.payload import decoded
from .hooks.port import Refused

CONNECT_SECONDS, ALL_SECONDS = 5.0, 10.0
MAX_BODY = 8 << 20
_NAT64 = IPv6Network("64:ff9b::/96")
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: `body` is None for 304."""

    status: int
    headers: Mapping[str, str]
    body: Any = None


def bearer(token: str) -> dict[str, str]:
    """The header that carries `token`; none without one."""
    return {"authorization": f"Bearer {token}"} if token else {}


def permitted(address: Address, private: bool) -> bool:
    """Whether `address` may be connected to: a public one, or with `private` one of the operator's own networks;
    what stands for another (mapped, 6to4, NAT64) as that one. Link-local addresses never: clouds keep their
    credentials there."""
    inner = _unwrapped(address)
    if inner.is_loopback:
        return private
    if inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner.is_reserved:
        return False
    return inner.is_global or private


def _unwrapped(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


@dataclass(slots=True)
class Outbound:
    """A client for `base` and what lies below it. `headers` carry the credential."""

    base: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    private: bool = False
    _client: httpx2.AsyncClient | None = None

    async def get(self, path: str, **more: str) -> Answer:
        """GET `path`, relative to the base or an address of the same origin. Raises ClusterError."""
        return await self.ask("GET", path, more)

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        *,
        reads: bool = False,
    ) -> Answer:
        """One request; the body of its answer is read for GET, or if `reads`. Raises ClusterError: Misconfigured for
        another origin or a forbidden address, Throttled with the wait that was asked for, Lost where something else
        than GET may have been carried out, and the others as they are named."""
        url = path if path == self.base else urljoin(f"{self.base.rstrip('/')}/", path)
        parts, base = urlsplit(url), urlsplit(self.base)
        if (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
            raise Misconfigured(f"{parts.hostname} was not asked", "It is not where the settings point to")
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._resolved(host, port)
        literal = f"[{address}]" if address.version == 6 else str(address)
        if self._client is None:
            timeout = httpx2.Timeout(ALL_SECONDS, connect=CONNECT_SECONDS)
            self._client = httpx2.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False)
        request = self._client.build_request(
            method,
            parts._replace(netloc=f"{literal}:{port}").geturl(),
            headers={
                "user-agent": "shipboard",
                "accept": "application/json",
                **self.headers,
                **(headers or {}),
                "host": parts.netloc,
            },
            content=content,
            extensions={"sni_hostname": host},
        )
        try:
            async with asyncio.timeout(ALL_SECONDS):
                return await self._sent(request, host, reads or method == "GET")
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unreachable(f"{host} does not answer", type(error).__name__) from None
        except (TimeoutError, httpx2.HTTPError) as error:
            if method != "GET":
                raise Lost(f"{host} broke off", type(error).__name__) from None
            raise Unreachable(f"{host} does not answer", type(error).__name__) from None

    async def close(self) -> None:
        """Let go of its connections."""
        if self._client:
            await self._client.aclose()
            self._client = None

    async def _resolved(self, host: str, port: int) -> Address:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable(f"{host} is not known", "Its name has no address") from None
        addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        if not addresses or not all(permitted(each, self.private) for each in addresses):
            raise Misconfigured(
                f"{host} was not asked",
                "It has an address that is not public",
                "Set `private: true` if it is yours",
            )
        return addresses[0]

    async def _sent(self, request: httpx2.Request, host: str, reads: bool) -> Answer:
        assert self._client is not None
        answer = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MAX_BODY:
                    raise Broken(f"{host} answers too much", f"More than {MAX_BODY >> 20} MiB")
        finally:
            await answer.aclose()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        _refuse(host, answer.status_code, headers)
        if answer.status_code == 304 or not body or not reads:
            return Answer(answer.status_code, headers)
        try:
            return Answer(answer.status_code, headers, decoded(bytes(body)))
        except Refused:
            raise Broken(f"{host} answers something that is no JSON") from None


def _refuse(host: str, status: int, headers: Mapping[str, str]) -> None:
    """Raise what a status stands for, unless it is a good one."""
    what = f"{host} answers {status}"
    wait = _wait(headers)
    if status in (403, 429) and wait is not None:
        raise Throttled(what, "It asks to wait", wait)
    if status in (401, 203):  # Azure DevOps gives its sign-in page to a token that it does not know
        raise Unauthorized(what, "It does not accept the token")
    if status == 403:
        raise Denied(what, "The token may not do this")
    if status == 404:
        raise Absent(what, "There is no such thing, or the token may not see it")
    if not (200 <= status < 300 or status == 304):
        failed = Failed(what)
        failed.status = status
        raise failed


def _wait(headers: Mapping[str, str]) -> float | None:
    after = headers.get("retry-after", "")
    if after.isdigit():
        return min(float(after), 3600.0)
    return 60.0 if headers.get("x-ratelimit-remaining") == "0" else None
