"""Whether a webhook was sent by who knows the secret: one verifier, driven by a row a provider.

The signature is checked over the raw bytes, in constant time, against each of the hook's secrets, so that two
may be valid while one takes over from the other. Any doubt is a no: a header that is missing, doubled, empty,
not ASCII or malformed, a timestamp that is too old. Of a provider's schemes the first whose header is there
decides; a bad signature never falls back to a weaker scheme.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

TOLERANCE = 300.0
"""Seconds by which a signed timestamp may differ from now (Standard Webhooks)."""

Headers = Mapping[str, Sequence[str]]
"""Header lines by lower-case name."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a request that signatures are made of. `payload` is the JSON text: the body itself, or what a
    form holds."""

    headers: Headers
    body: bytes
    payload: bytes

    def one(self, name: str) -> str:
        """The only line of a header; "" when there is none, several, or one that is not ASCII."""
        lines = self.headers.get(name, ())
        return lines[0] if len(lines) == 1 and lines[0].isascii() else ""


Content = Callable[[Signed], tuple[bytes, float | None] | None]
"""Answers the text that is signed and the time it names (seconds since 1970), or None where it cannot be made."""


def _body(signed: Signed) -> tuple[bytes, float | None] | None:
    return signed.body, None


def payload(signed: Signed) -> tuple[bytes, float | None] | None:
    """The JSON text itself, whatever it was wrapped in (Gitea)."""
    return signed.payload, None


def standard(signed: Signed) -> tuple[bytes, float | None] | None:
    """Standard Webhooks: id, timestamp and body."""
    name, at = signed.one("webhook-id"), signed.one("webhook-timestamp")
    if not name or not re.fullmatch(r"[0-9]{1,12}", at):
        return None
    return f"{name}.{at}.".encode() + signed.body, float(at)


def buildkite(signed: Signed) -> tuple[bytes, float | None] | None:
    """Timestamp, which stands in the signature's own header, and body."""
    matched = re.match(r"timestamp=([0-9]{1,12}),", signed.one("x-buildkite-signature"))
    return (f"{matched[1]}.".encode() + signed.body, float(matched[1])) if matched else None


def slack(signed: Signed) -> tuple[bytes, float | None] | None:
    """Slack's version 0: timestamp and body."""
    at = signed.one("x-slack-request-timestamp")
    return (f"v0:{at}:".encode() + signed.body, float(at)) if re.fullmatch(r"[0-9]{1,12}", at) else None


def drone(signed: Signed) -> tuple[bytes, float | None] | None:
    """draft-cavage-http-signatures over date and digest, and the digest over the body."""
    date, digest = signed.one("date"), signed.one("digest")
    actual = base64.b64encode(hashlib.sha256(signed.body).digest()).decode()
    if not hmac.compare_digest(digest.encode(), f"SHA-256={actual}".encode()):
        return None
    if not re.search(r'headers="date digest"', signed.one("signature")):
        return None
    try:
        at = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return f"date: {date}\ndigest: {digest}".encode(), at


def raw_key(secret: str) -> bytes:
    """The secret's own bytes."""
    return secret.encode()


def whsec(secret: str) -> bytes:
    """What stands in base64 after "whsec_" (Standard Webhooks)."""
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A keyed hash: `pattern` finds the signatures in the header's line (its one group), `encoding` is how they
    are written, `content` what they are over, `key` how the secret becomes a key."""

    header: str
    pattern: str = r"^sha256=([0-9a-f]{64})$"
    encoding: str = "hex"
    content: Content = _body
    key: Callable[[str], bytes] = raw_key

    def proves(self, signed: Signed, secrets: Iterable[str], now: datetime) -> bool:
        """Whether a signature of one of `secrets` is there."""
        found = re.findall(self.pattern, signed.one(self.header))[:8]
        made = self.content(signed) if found else None
        if made is None:
            return False
        text, at = made
        if at is not None and abs(now.timestamp() - at) > TOLERANCE:
            return False
        fine = False
        for secret in secrets:
            expected = self._expected(secret, text)
            for each in found:
                fine |= expected is not None and hmac.compare_digest(each.encode(), expected)
        return fine

    def _expected(self, secret: str, text: bytes) -> bytes | None:
        try:
            made = hmac.new(self.key(secret), text, hashlib.sha256).digest()
        except (binascii.Error, ValueError):
            return None
        return made.hex().encode() if self.encoding == "hex" else base64.b64encode(made)


@dataclass(frozen=True, slots=True)
class Token(Scheme):
    """The secret itself in a header, after `prefix`; "basic" takes it as the password of Basic credentials."""

    prefix: str = ""
    basic: bool = False

    def proves(self, signed: Signed, secrets: Iterable[str], now: datetime) -> bool:
        """Whether one of `secrets` is there."""
        line = signed.one(self.header)
        if not line or line[: len(self.prefix)].lower() != self.prefix.lower():
            return False
        given = line[len(self.prefix) :].strip().encode()
        if self.basic:
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return False
        fine = False
        for secret in secrets:
            fine |= bool(given) and hmac.compare_digest(given, secret.encode())
        return fine

    def present(self, signed: Signed) -> bool:
        """Whether the header is there in this form."""
        return any(
            line.lower().startswith(self.prefix.lower()) for line in signed.headers.get(self.header, ())
        )


GITHUB = Scheme("x-hub-signature-256")
BITBUCKET = Scheme("x-hub-signature")
STANDARD = Scheme("webhook-signature", r"(?:^| )v1,([A-Za-z0-9+/]{43}=)(?= |$)", "base64", standard, whsec)
SLACK = Scheme("x-slack-signature", r"^v0=([0-9a-f]{64})$", content=slack)
GITLAB = Token("x-gitlab-token")
GITEA = Scheme("x-gitea-signature", r"^([0-9a-f]{64})$", content=payload)
FORGEJO = Scheme("x-forgejo-signature", r"^([0-9a-f]{64})$", content=payload)
BUILDKITE = Scheme("x-buildkite-signature", r"^timestamp=[0-9]+,signature=([0-9a-f]{64})$", content=buildkite)
BUILDKITE_TOKEN = Token("x-buildkite-token")
PAGERDUTY = Scheme("x-pagerduty-signature", r"(?:^|, ?)v1=([0-9a-f]{64})(?=,|$)")
GRAFANA = Scheme("x-grafana-alerting-signature", r"^([0-9a-f]{64})$")
CIRCLECI = Scheme("circleci-signature", r"(?:^|,)v1=([0-9a-f]{64})(?=,|$)")
DRONE = Scheme("signature", r'(?:^|[ ,])signature="([A-Za-z0-9+/]{43}=)"(?=,|$)', "base64", drone)
BEARER = Token("authorization", prefix="Bearer ")
BASIC = Token("authorization", prefix="Basic ", basic=True)
OWN_TOKEN = Token("x-shipboard-token")
TOKENS = (OWN_TOKEN, BEARER, BASIC)
"""For senders that sign nothing: the secret in a header."""


def known(given: str, secrets: Sequence[str]) -> bool:
    """Whether `given` is one of `secrets`, in constant time."""
    fine = False
    for secret in secrets:
        fine |= bool(given) and hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())
    return fine


def proven(schemes: Iterable[Scheme], signed: Signed, secrets: Sequence[str], now: datetime) -> bool:
    """Whether the request was sent by who knows one of `secrets`. Never raises; no secret proves nothing."""
    for scheme in schemes:
        here = scheme.present(signed) if isinstance(scheme, Token) else scheme.header in signed.headers
        if here:
            return scheme.proves(signed, [secret for secret in secrets if secret], now)
    return False
