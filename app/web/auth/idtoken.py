"""Whether an ID token is ours, of now, and signed by the provider (OpenID Connect Core 1.0, section 3.1.3.7).

Everything is checked, always: nothing in the token can switch a check off, name a key, or choose another algorithm than
the few that an asymmetric key signs with.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
LEEWAY = 60
"""Seconds that the provider's clock may differ from ours."""
OLDEST = 600
"""Seconds after which a token, however long it is valid, is none of this sign-in."""
MAX = 20_000
_FOREIGN = frozenset({"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "zip", "enc"})


class Untrusted(Exception):
    """The token does not hold; the message says why, for the log."""


class UnknownKey(Untrusted):
    """No key is called what the token says; the provider may have new ones."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that holds says of a person."""

    subject: str
    name: str
    email: str
    groups: frozenset[str]
    signed_in_at: datetime


def checked(
    token: str,
    keys: Mapping[str, Any],
    issuer: str,
    client_id: str,
    nonce: str,
    groups_claim: str,
    now: datetime,
) -> Claims:
    """The claims of `token`, given the provider's JWK set. Raises Untrusted."""
    if len(token) > MAX or token.count(".") != 2:
        raise Untrusted("it is no signed token")
    header = _json(token.partition(".")[0])
    _check_header(header)
    key = _key(keys, header)
    try:
        payload = jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS)).payload
    except (JoseError, ValueError, TypeError) as error:
        raise Untrusted(f"its signature does not hold: {type(error).__name__}") from error
    claims = _object(payload)
    _check_claims(claims, issuer, client_id, nonce, now.timestamp())
    return _told(claims, groups_claim, now)


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") not in ALGORITHMS:
        raise Untrusted("its algorithm is none we take")
    if _FOREIGN & header.keys():
        raise Untrusted("its header names a key or an extension")
    if str(header.get("typ", "JWT")).upper() not in {"JWT", "APPLICATION/JWT"}:
        raise Untrusted("it is another sort of token")


def _key(keys: Mapping[str, Any], header: Mapping[str, Any]) -> RSAKey | ECKey | OKPKey:
    """The one key the token can be signed with: by name, or the only one there is."""
    alg, kid = str(header["alg"]), header.get("kid")
    kind = "RSA" if alg[0] in "RP" else "EC" if alg.startswith("ES") else "OKP"
    usable = [
        key
        for key in keys.get("keys", ())
        if isinstance(key, dict)
        and key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", alg) == alg
        and "verify" in key.get("key_ops", ["verify"])
        and (kid is None or key.get("kid") == kid)
    ]
    if len(usable) != 1:
        raise UnknownKey("it is signed with a key the provider does not have")
    if kind == "RSA" and len(str(usable[0].get("n", ""))) < 342:  # 2048 bits in base64url
        raise Untrusted("the provider's key is too short")
    public = {name: value for name, value in usable[0].items() if name not in {"key_ops", "use"}}
    try:
        found = KeySet.import_key_set({"keys": [public]}).keys[0]
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Untrusted("the provider's key cannot be read") from error
    if not isinstance(found, RSAKey | ECKey | OKPKey):
        raise Untrusted("the provider's key is none that signs")
    return found


def _check_claims(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise Untrusted("it is of another issuer")
    audience = claims.get("aud")
    if audience != client_id and audience != [client_id]:
        raise Untrusted("it is for another client")
    if "azp" in claims and claims["azp"] != client_id:
        raise Untrusted("it was given to another client")
    if _instant(claims, "exp") <= now - LEEWAY:
        raise Untrusted("it is out of date")
    issued = _instant(claims, "iat")
    if not now - OLDEST <= issued <= now + LEEWAY:
        raise Untrusted("it was not made just now")
    if "nbf" in claims and _instant(claims, "nbf") > now + LEEWAY:
        raise Untrusted("it is not valid yet")
    given = claims.get("nonce")
    if not isinstance(given, str) or not nonce or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise Untrusted("it is not the answer to this sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isascii():
        raise Untrusted("it names nobody")
    if not subject.isprintable():
        raise Untrusted("it names nobody")


def _told(claims: Mapping[str, Any], groups_claim: str, now: datetime) -> Claims:
    subject = str(claims["sub"])
    at = claims.get("auth_time", claims["iat"])
    signed_in = min(_number(at, "auth_time"), now.timestamp())
    named = [claims.get(claim) for claim in ("name", "preferred_username")]
    email = claims.get("email")
    plain = isinstance(email, str) and email.count("@") == 1 and claims.get("email_verified") is True
    groups = claims.get(groups_claim)
    return Claims(
        subject,
        next((_clean(name) for name in named if isinstance(name, str) and _clean(name)), subject[:100]),
        _clean(str(email)) if plain else "",
        frozenset(group for group in groups[:500] if isinstance(group, str) and 0 < len(group) <= 200)
        if isinstance(groups, list)
        else frozenset(),
        datetime.fromtimestamp(signed_in, UTC),
    )


def _clean(text: str) -> str:
    """For display: one line, no controls or direction marks, at most 100 characters."""
    return "".join(c for c in text if c.isprintable())[:100].strip()


def _instant(claims: Mapping[str, Any], name: str) -> float:
    return _number(claims.get(name), name)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise Untrusted(f"its {name} is no time")
    return float(value)


def _json(part: str) -> Mapping[str, Any]:
    try:
        return _object(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError as error:
        raise Untrusted("its header cannot be read") from error


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Untrusted("it cannot be read") from error
    if not isinstance(found, dict):
        raise Untrusted("it cannot be read")
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
