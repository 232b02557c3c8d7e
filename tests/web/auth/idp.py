"""A small OpenID provider that signs whatever a test wants, good or bad."""

import asyncio
import json
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
SHORT = rsa.generate_private_key(65537, 1024)
CURVE = ec.generate_private_key(ec.SECP256R1())


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def public(key: rsa.RSAPrivateKey, kid: str = "one", **more: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    n = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    return {"kty": "RSA", "kid": kid, "use": "sig", "n": b64(n), "e": "AQAB", **more}


def public_curve(kid: str = "curve") -> dict[str, Any]:
    numbers = CURVE.public_key().public_numbers()
    x, y = (b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": x, "y": y}


def pem(key: rsa.RSAPrivateKey) -> bytes:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind)


def signed(claims: Any, header: dict[str, Any] | None = None, key: Any = KEY, raw: bool = False) -> str:
    """A compact JWS of `claims` by `key`: RSA, EC, bytes (HMAC), or None (no signature)."""
    header = {"alg": "RS256", "kid": "one", "typ": "JWT"} if header is None else header
    body = claims if raw else json.dumps(claims)
    text = f"{b64(json.dumps(header).encode())}.{b64(body.encode())}"
    return f"{text}.{b64(_signature(text.encode(), key, header.get('alg', '')))}"


def _signature(text: bytes, key, alg: str):
    if key is None:
        return b""
    if isinstance(key, bytes):
        mac = hmac.HMAC(key, hashes.SHA256())
        mac.update(text)
        return mac.finalize()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if alg == "PS256":
        return key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return key.sign(text, padding.PKCS1v15(), hashes.SHA256())


def claims(issuer: str, nonce: str, now: float | None = None, /, **changed: Any) -> dict[str, Any]:
    """Good claims, changed; a None leaves one out."""
    now = time.time() if now is None else now
    found = {
        "iss": issuer,
        "aud": "ship",
        "sub": "1001",
        "nonce": nonce,
        "iat": int(now),
        "exp": int(now) + 300,
    }
    found |= {"auth_time": int(now) - 5, "name": "Vera", "groups": ["dev"], **changed}
    return {name: value for name, value in found.items() if value is not None}


class Provider:
    """Signs everybody in at once. `change` are claims to change, `token` a whole token instead."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.change: dict[str, Any] = {}
        self.token = ""
        self.keys = [public(KEY)]
        self.described: dict[str, Any] = {}
        self.asked: dict[str, str] = {}
        self.exchanged: list[dict[str, str]] = []

    def app(self) -> Starlette:
        async def described(request: Request) -> Response:
            found = {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/auth"}
            found |= {
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.described,
            }
            return JSONResponse(found)

        async def keys(request: Request) -> Response:
            return JSONResponse({"keys": self.keys})

        async def auth(request: Request) -> Response:
            self.asked = dict(request.query_params)
            answer = urlencode({"code": "c0de", "state": self.asked["state"]})
            return RedirectResponse(f"{self.asked['redirect_uri']}?{answer}")

        async def token(request: Request) -> Response:
            self.exchanged.append(dict(parse_qsl((await request.body()).decode())))
            good = signed(claims(self.issuer, self.asked.get("nonce", ""), **self.change))
            return JSONResponse(
                {"access_token": "at", "token_type": "Bearer", "id_token": self.token or good}
            )

        paths = {"/.well-known/openid-configuration": described, "/keys": keys, "/auth": auth}
        return Starlette(
            routes=[*(Route(p, r) for p, r in paths.items()), Route("/token", token, methods=["POST"])]
        )


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """A running provider."""
    port = socket.create_server(("127.0.0.1", 0))
    found = Provider(port.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(found.app(), lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server._serve([port]))
    try:
        yield found
    finally:
        server.should_exit = True
        await serving
