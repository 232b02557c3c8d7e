"""Signatures made by a key: which of the keys that the settings trust made one, over DSSE's pre-authentication encoding
(https://github.com/secure-systems-lab/dsse, protocol.md), over a payload of cosign's, or over a digest in a bundle.

ECDSA over NIST curves, with the hash of the curve's size; RSA as PKCS #1 v1.5 and Ed25519, as cosign makes them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.domain.signing import SigningKey

from .hooks.tree import at, node, nodes
from .reports.attestation import Content, content, is_bundle
from .reports.reading import Refused

MAX_SIGNATURES = 10
_HASHES = {256: SHA256(), 384: SHA384(), 521: SHA512()}


def is_signed(tree: dict[str, Any]) -> bool:
    """Whether a key made a signature in it; a certificate's is not meant."""
    return next(_signed(tree), None) is not None


def signer(tree: dict[str, Any], keys: Iterable[SigningKey]) -> SigningKey | None:
    """The key of `keys` that signed what stands in `tree`; None when none did. Never raises."""
    signed = list(_signed(tree))
    for key in keys:
        try:
            public = load_pem_public_key(key.pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        if any(_made(public, *one) for one in signed):
            return key
    return None


def _signed(tree: dict[str, Any]) -> Iterator[tuple[bytes, bytes, bool]]:
    """Signatures with what they are over; the last tells whether that is a SHA-256 already."""
    try:
        kind, found = content(tree)
    except Refused:
        return
    if is_bundle(tree) and not node(tree, "verificationMaterial", "publicKey"):
        return
    match kind:
        case Content.DIGEST:
            signature, digest = _raw(found.get("signature")), _raw(at(found, "messageDigest", "digest"))
            if signature and digest:
                yield signature, digest, True
        case Content.IMAGE:
            signature, payload = _raw(found["Base64Signature"]), _raw(found["Payload"])
            if signature and payload:
                yield signature, payload, False
        case Content.ENVELOPE:
            said, payload = found.get("payloadType"), _raw(found.get("payload"))
            if not isinstance(said, str) or payload is None:
                return
            named = said.encode("utf-8", "replace")
            whole = b"DSSEv1 %d %s %d %s" % (len(named), named, len(payload), payload)
            for one in list(nodes(found, "signatures"))[:MAX_SIGNATURES]:
                if signature := _raw(one.get("sig")):
                    yield signature, whole, False


def _raw(text: object) -> bytes | None:
    """What stands in base64, of either alphabet."""
    try:
        return (
            base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
            if isinstance(text, str)
            else None
        )
    except (ValueError, binascii.Error):
        return None


def _made(public: object, signature: bytes, content: bytes, hashed: bool) -> bool:
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            found = _HASHES.get(public.curve.key_size)
            if found is None or (hashed and len(content) != found.digest_size):
                return False
            public.verify(signature, content, ec.ECDSA(utils.Prehashed(found) if hashed else found))
        elif isinstance(public, rsa.RSAPublicKey):
            way = utils.Prehashed(SHA256()) if hashed else SHA256()
            public.verify(signature, content, padding.PKCS1v15(), way)
        elif isinstance(public, ed25519.Ed25519PublicKey) and not hashed:
            public.verify(signature, content)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True
