"""The demo's CI signs what it says of an image, as cosign does with a key: a DSSE envelope around the statement.

One service signs with a key that nobody trusts, and one does not sign, so that the board has something to tell.
"""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

STRANGER, UNSIGNED = "identity", "loyalty"
"""The service whose key is another one, and the one that does not sign."""
_KIND = "application/vnd.in-toto+json"


class Signing:
    """Signs with the private key `pem`; without one nothing is signed."""

    def __init__(self, pem: str) -> None:
        self._key: ec.EllipticCurvePrivateKey | None = None
        if pem:
            key = load_pem_private_key(pem.encode(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
            self._other = ec.generate_private_key(key.curve)

    def __call__(self, service: str, statement: bytes) -> bytes:
        """An envelope around `statement`, or the statement itself."""
        if self._key is None or service == UNSIGNED:
            return statement
        key = self._other if service == STRANGER else self._key
        # DSSE's pre-authentication encoding: github.com/secure-systems-lab/dsse, protocol.md.
        said = f"DSSEv1 {len(_KIND)} {_KIND} {len(statement)} ".encode() + statement
        signature = base64.b64encode(key.sign(said, ec.ECDSA(SHA256()))).decode()
        payload = base64.b64encode(statement).decode()
        envelope = {"payloadType": _KIND, "payload": payload, "signatures": [{"sig": signature}]}
        return json.dumps(envelope, separators=(",", ":")).encode()
