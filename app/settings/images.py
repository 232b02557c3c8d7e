"""Settings of images: who signs what, and what a scan may not find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.signing import SigningKey, SigningRule

from . import scalars
from .reader import Many, Table
from .scalars import Scalar
from .secret_places import MAX_SECRET

THRESHOLDS = ("critical", "high", "medium", "low")


def _threshold(text: str) -> str:
    if text not in THRESHOLDS:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(THRESHOLDS)}")
    return text


def _rule(**found: Any) -> SigningRule:
    if found.get("signer", "*") != "*" and not found.get("issuer"):
        raise ValueError("names a signer, and no issuer who vouches for that name")
    return SigningRule(**found)


def public(pem: str) -> bool:
    """Whether it is a public key of a kind that is verified here."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        found = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(found, ec.EllipticCurvePublicKey):
        return found.curve.key_size in (256, 384, 521)
    return isinstance(found, rsa.RSAPublicKey | ed25519.Ed25519PublicKey)


def _pem(text: str) -> str:
    if not public(text):
        raise ValueError("is no public key as PEM (ECDSA P-256, P-384 or P-521, RSA, Ed25519)")
    return text


def _key(**found: Any) -> SigningKey:
    if len(found) != 2:
        raise ValueError("has either pem or file")
    return SigningKey(found["name"], found.get("pem", ""), str(found.get("file", "")))


def opened(rule: SigningRule, base: Path) -> tuple[SigningRule, tuple[str, ...]]:
    """`rule` with its keys read from their files, and what is odd: files without a key, which nothing verifies with."""
    keys, odd = [], []
    for key in rule.keys:
        if key.file:
            try:
                pem = (base / key.file).read_text("ascii")[:MAX_SECRET]
            except (OSError, UnicodeDecodeError):
                pem = ""
            if not public(pem):
                odd.append(
                    f"signing: key {key.name}: {key.file} holds no public key as PEM, so it verifies nothing."
                )
            key = SigningKey(key.name, pem, str(base / key.file))
        keys.append(key)
    return replace(rule, keys=tuple(keys)), tuple(odd)


def shown(rule: SigningRule) -> dict[str, Any]:
    """In the shape of the file."""
    issuer = {"issuer": rule.issuer} if rule.issuer else {}
    keys = [{"name": k.name, **({"file": k.file} if k.file else {"pem": k.pem})} for k in rule.keys]
    found = {"repository": rule.repository, **issuer, "signer": rule.signer, "wanted": rule.wanted}
    return {**found, "keys": keys} if keys else found


SCAN_THRESHOLD = Scalar(_threshold, "scan_threshold: high")
SIGNING = Many(
    Table(
        {
            "repository": scalars.text_like(
                r"[^\x00-\x20]{1,300}",
                "a glob without spaces",
                "github.com/acme/*",
            ),
            "issuer": scalars.text_like(
                r"https://[^\x00-\x20]{1,300}",
                "an https address",
                "issuer: https://token.actions.githubusercontent.com",
            ),
            "signer": scalars.text_like(
                r"[^\x00-\x20]{1,300}",
                "a glob without spaces",
                "signer: https://github.com/acme/builder/*",
            ),
            "wanted": Scalar(scalars.boolean, "wanted: true", frozenset({"bool"})),
            "keys": Many(
                Table(
                    {
                        "name": Scalar(scalars.name, "name: acme-ci"),
                        "pem": Scalar(_pem, "pem: |, and the key below"),
                        "file": Scalar(scalars.path, "file: /etc/shipboard/cosign.pub"),
                    },
                    "- {name: acme-ci, file: /etc/shipboard/cosign.pub}",
                    required=("name",),
                    build=_key,
                ),
                "keys: [{name: acme-ci, file: /etc/shipboard/cosign.pub}]",
            ),
        },
        "- {repository: 'github.com/acme/*', wanted: true}",
        required=("repository",),
        build=_rule,
    ),
    "signing: [{repository: 'github.com/acme/*', wanted: true}]",
)
