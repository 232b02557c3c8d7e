"""Who we are at an API server: kubeconfig contexts with their exec plugins, a pod's service account, a bearer token.

Each way is a function to be called again whenever the credentials have to be read anew; nothing connects yet.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes.aio import client, config

from ..domain.refusals import Misconfigured

Load = Callable[[], Awaitable[client.ApiClient]]
"""Reads the credentials. Raises Misconfigured."""


def kubeconfig(path: str | Path | None, context: str | None) -> Load:
    """Those of a kubeconfig context; None: the default file, the current context."""

    async def load() -> client.ApiClient:
        settings = client.Configuration()
        where = f"context {context or '(current)'} of {path or 'the default kubeconfig'}"
        try:
            async with asyncio.timeout(30):
                loader = await config.load_kube_config(
                    str(path) if path else None,
                    context,
                    settings,
                    persist_config=False,
                )
        except TimeoutError:
            raise Misconfigured(
                f"Cannot sign in with {where}", "its exec plugin did not answer in 30 s"
            ) from None
        except Exception as error:
            raise Misconfigured(f"Cannot use {where}", str(error), "Try it with kubectl first") from error
        if getattr(loader, "exec_plugin_expiry", None):
            settings.refresh_api_key_hook = _exec_refresh(loader)
        return _client(settings, proxied=True)

    return load


async def service_account() -> client.ApiClient:
    """Those of the pod that this process runs in. Raises Misconfigured."""
    settings = client.Configuration()
    try:
        config.load_incluster_config(settings)
    except Exception as error:
        raise Misconfigured("Cannot use the service account", str(error), "Is this a pod?") from error
    return _client(settings, proxied=False)


def address(url: str, token: str) -> Load:
    """A server by address, with a bearer token unless that is empty."""

    async def load() -> client.ApiClient:
        settings = client.Configuration(
            host=url, api_key={"BearerToken": f"Bearer {token}"} if token else None
        )
        return _client(settings, proxied=False)

    return load


def _client(settings: client.Configuration, *, proxied: bool) -> client.ApiClient:
    host = urlsplit(settings.host).hostname or ""
    with suppress(ValueError):
        proxied = proxied and not ipaddress.ip_address(host).is_loopback
    settings.client_session_kwargs = {"trust_env": proxied and host != "localhost"}
    settings.connection_pool_maxsize = 0  # no limit: every watch holds a connection for as long as it lives
    return client.ApiClient(settings)


def _exec_refresh(loader: Any) -> Callable[[client.Configuration], Awaitable[None]]:
    lock = asyncio.Lock()

    async def refresh(settings: client.Configuration) -> None:
        async with lock:
            await loader.load_from_exec_plugin()
            settings.api_key["BearerToken"] = loader.token

    return refresh
