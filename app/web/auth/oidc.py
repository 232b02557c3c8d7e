"""Sign-in by an OpenID provider: the code flow with PKCE, state and nonce, each good for one answer.

What must come back is kept in the database and bound to the browser by a cookie; of the provider's tokens nothing is
kept. The only address spoken to is the issuer's own.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from app.settings import OidcSettings

from .idtoken import Claims, UnknownKey, Untrusted, checked

KEEP = 300.0
"""Seconds for which the provider's description and keys are taken to be what they were."""
AGAIN = 20.0
"""Least seconds between two looks for a key that is not there."""
MAX_ANSWER = 1 << 20
log = structlog.get_logger("shipboard.auth")


class Failed(Exception):
    """The sign-in did not come off; the message is for the person."""


class Provider:
    """The provider, as it describes itself. `redirect` is where it sends people back to."""

    def __init__(
        self, settings: OidcSettings, redirect: str, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self._settings, self._redirect, self._transport = settings, redirect, transport
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, Mapping[str, Any]] | None = None

    async def begin(self, back: str, max_age: int | None = None) -> tuple[str, str]:
        """The address to send somebody to, and what to keep until they come back. `back` is where they go then; the
        provider asks anew who they are if it did so longer ago than `max_age` seconds."""
        more = {} if max_age is None else {"max_age": str(max_age)}
        metadata = await self._described()
        kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")} | {"back": back}
        async with self._client() as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=kept["state"],
                nonce=kept["nonce"],
                code_verifier=kept["verifier"],
                **more,
            )
        return str(address), json.dumps(kept)

    async def finish(self, kept: str, given: Mapping[str, str], now: datetime) -> tuple[Claims, str]:
        """Who came back with the parameters `given`, and where they go. Raises Failed."""
        expected = json.loads(kept)
        if not hmac.compare_digest(given.get("state", "").encode(), expected["state"].encode()):
            raise Failed("This answer belongs to another sign-in.")
        if given.get("iss", self._settings.issuer) != self._settings.issuer:
            raise Failed("This answer is of another provider.")
        if "error" in given:
            log.warning("sign-in refused by the provider", error=given["error"][:100])
            raise Failed("The provider did not let you in.")
        if not given.get("code"):
            raise Failed("The provider's answer holds no code.")
        token = await self._exchange(given["code"], expected["verifier"])
        try:
            return await self._claims(token, expected["nonce"], now), expected["back"]
        except Untrusted as error:
            log.warning("ID token refused", why=str(error))
            raise Failed("What the provider says of you does not hold.") from error

    async def _exchange(self, code: str, verifier: str) -> str:
        metadata = await self._described()
        try:
            async with self._client() as client:
                answer = await client.fetch_token(
                    metadata["token_endpoint"],
                    code=code,
                    code_verifier=verifier,
                    grant_type="authorization_code",
                )
        except (OAuthError, httpx2.HTTPError, ValueError) as error:
            log.warning("the code was not exchanged", error=type(error).__name__)
            raise Failed("The provider did not confirm who you are.") from error
        found = answer.get("id_token")
        if not isinstance(found, str):
            raise Failed("The provider did not say who you are.")
        return found

    async def _claims(self, token: str, nonce: str, now: datetime) -> Claims:
        s = self._settings
        for fresh in (False, True):
            keys = await self._signing_keys(fresh)
            try:
                return checked(token, keys, s.issuer, s.client_id, nonce, s.groups_claim, now)
            except UnknownKey:
                if fresh or not self._may_look_again():
                    raise
        raise AssertionError  # the second round answers or raises

    async def _described(self) -> Mapping[str, Any]:
        if self._metadata is None or time.monotonic() - self._metadata[0] > KEEP:
            found = await self._get(self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != self._settings.issuer:
                raise Failed("The provider describes itself as another one.")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not _safe(str(found.get(name, "")), self._settings.issuer):
                    raise Failed("The provider's description cannot be used.")
            self._metadata = (time.monotonic(), found)
        return self._metadata[1]

    async def _signing_keys(self, fresh: bool) -> Mapping[str, Any]:
        if fresh or self._keys is None or time.monotonic() - self._keys[0] > KEEP:
            self._keys = (time.monotonic(), await self._get(str((await self._described())["jwks_uri"])))
        return self._keys[1]

    def _may_look_again(self) -> bool:
        return self._keys is not None and time.monotonic() - self._keys[0] > AGAIN

    async def _get(self, url: str) -> Mapping[str, Any]:
        try:
            async with self._session() as client, client.stream("GET", url) as answer:
                answer.raise_for_status()
                body = b""
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        raise Failed("The provider's answer is too long.")
            found = json.loads(body)
        except (httpx2.HTTPError, ValueError, RecursionError) as error:
            log.warning("the provider does not answer", error=type(error).__name__)
            raise Failed("The provider cannot be reached just now.") from error
        if not isinstance(found, dict):
            raise Failed("The provider's answer cannot be read.")
        return found

    def _session(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=5, follow_redirects=False, trust_env=False, transport=self._transport
        )

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._settings.client_id,
            self._settings.secret.reveal(),
            scope=" ".join(self._settings.scopes),
            redirect_uri=self._redirect,
            code_challenge_method="S256",
            timeout=5,
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
        )


def _safe(url: str, issuer: str) -> bool:
    """Whether an endpoint is reached at least as safely as the issuer."""
    parts, origin = urlsplit(url), urlsplit(issuer)
    return bool(parts.hostname) and parts.scheme in {"https", origin.scheme} and "@" not in parts.netloc
