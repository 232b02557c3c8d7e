"""Signs webhooks as each provider does, for tests: the other side of `app.sources.hooks.verify`."""

import base64
import hashlib
import hmac
from datetime import datetime
from email.utils import format_datetime

_WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()
SECRETS = {"generic": _WHSEC, "incidentio": _WHSEC, "": "s3cr3t of the hook"}


def secret_of(provider: str) -> str:
    return SECRETS.get(provider, SECRETS[""])


def _hex(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def standard(secret: str, body: bytes, now: datetime, ident: str) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    at = str(int(now.timestamp()))
    made = hmac.new(key, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(made).decode()
    return {"webhook-id": ident, "webhook-timestamp": at, "webhook-signature": signature}


def drone(secret: str, body: bytes, now: datetime) -> dict[str, str]:
    digest = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
    date = format_datetime(now, usegmt=True)
    text = f"date: {date}\ndigest: {digest}".encode()
    made = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    signature = f'keyId="hmac-key",algorithm="hmac-sha256",headers="date digest",signature="{made}"'
    return {"date": date, "digest": digest, "signature": signature}


def signed(provider: str, secret: str, body: bytes, now: datetime, ident: str = "d-1") -> dict[str, str]:
    """The headers that `provider` proves `body` with."""
    at = str(int(now.timestamp()))
    match provider:
        case "github":
            return {"x-hub-signature-256": "sha256=" + _hex(secret, body), "x-github-delivery": ident}
        case "gitlab":
            return {"x-gitlab-token": secret}
        case "bitbucket":
            return {"x-hub-signature": "sha256=" + _hex(secret, body), "x-request-uuid": ident}
        case "gitea":
            return {"x-gitea-signature": _hex(secret, body), "x-gitea-delivery": ident}
        case "buildkite":
            made = _hex(secret, f"{at}.".encode() + body)
            return {"x-buildkite-signature": f"timestamp={at},signature={made}"}
        case "circleci":
            return {"circleci-signature": f"v2=0000,v1={_hex(secret, body)}"}
        case "pagerduty":
            return {"x-pagerduty-signature": f"v1={_hex(secret, body)}"}
        case "drone":
            return drone(secret, body, now)
        case "generic" | "incidentio":
            return standard(secret, body, now, ident)
        case _:
            return {"x-shipboard-token": secret}
