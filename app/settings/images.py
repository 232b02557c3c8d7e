"""Settings of images: who signs what, and what a scan may not find."""

from __future__ import annotations

from typing import Any

from app.domain.signing import SigningRule

from . import scalars
from .reader import Many, Table
from .scalars import Scalar

THRESHOLDS = ("critical", "high", "medium", "low")


def _threshold(text: str) -> str:
    if text not in THRESHOLDS:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(THRESHOLDS)}")
    return text


def _rule(**found: Any) -> SigningRule:
    if found.get("signer", "*") != "*" and not found.get("issuer"):
        raise ValueError("names a signer, and no issuer who vouches for that name")
    return SigningRule(**found)


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
        },
        "- {repository: 'github.com/acme/*', wanted: true}",
        required=("repository",),
        build=_rule,
    ),
    "signing: [{repository: 'github.com/acme/*', wanted: true}]",
)
