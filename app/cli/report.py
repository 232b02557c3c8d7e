"""`shipboard report`: tells a board of a run from any CI, as a signed POST /api/v1/pipelines.

What CI says of itself in variables is taken where no option does: GitHub, GitLab, Jenkins, Buildkite, CircleCI,
Azure, Drone and Woodpecker.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from app.domain.errors import ShipboardError
from app.domain.names import ImageRef

SECONDS = 10.0
TRIES = 3
# The first that is set counts.
FROM_CI: Mapping[str, tuple[str, ...]] = {
    "repository": (
        *("CI_PROJECT_URL", "GIT_URL", "BUILDKITE_REPO", "CIRCLE_REPOSITORY_URL"),
        *("BUILD_REPOSITORY_URI", "DRONE_GIT_HTTP_URL", "CI_REPO_URL"),
    ),
    "run": (
        *("GITHUB_RUN_ID", "CI_PIPELINE_ID", "BUILDKITE_BUILD_ID", "CIRCLE_WORKFLOW_ID", "BUILD_BUILDID"),
        *("DRONE_BUILD_NUMBER", "CI_PIPELINE_NUMBER", "BUILD_NUMBER"),
    ),
    "attempt": ("GITHUB_RUN_ATTEMPT", "SYSTEM_JOBATTEMPT"),
    "pipeline": (
        *("GITHUB_WORKFLOW", "CI_PIPELINE_NAME", "JOB_NAME", "BUILDKITE_PIPELINE_SLUG"),
        *("BUILD_DEFINITIONNAME", "DRONE_REPO_NAME"),
    ),
    "sha": (
        *("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILDKITE_COMMIT", "CIRCLE_SHA1"),
        *("BUILD_SOURCEVERSION", "DRONE_COMMIT_SHA"),
    ),
    "branch": (
        *("GITHUB_REF_NAME", "CI_COMMIT_BRANCH", "GIT_BRANCH", "BUILDKITE_BRANCH", "CIRCLE_BRANCH"),
        *("BUILD_SOURCEBRANCHNAME", "DRONE_COMMIT_BRANCH"),
    ),
    "url": ("CI_PIPELINE_URL", "BUILD_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "DRONE_BUILD_LINK"),
}


class NotReported(ShipboardError):
    """The board did not take the report."""


@dataclass(frozen=True, slots=True)
class Board:
    """Where to report: the board's address, the hook's id and its secret ("whsec_…")."""

    url: str
    hook: str
    secret: str


def composed(
    status: str, given: Mapping[str, Any], environ: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """The report: what was `given`, else what CI's variables say."""
    found: dict[str, Any] = {"status": status, "updated_at": now.isoformat()}
    for member, names in FROM_CI.items():
        value = given.get(member) or next((environ[name] for name in names if environ.get(name)), "")
        if value:
            found[member] = value
    if "repository" not in found and environ.get("GITHUB_REPOSITORY"):
        found["repository"] = (
            f"{environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{environ['GITHUB_REPOSITORY']}"
        )
    if "attempt" in found:
        found["attempt"] = int(found["attempt"]) if str(found["attempt"]).isdigit() else 1
    return found | {name: value for name, value in given.items() if value and name not in FROM_CI}


def jobs(given: Iterable[str]) -> list[dict[str, str]]:
    """Jobs of "NAME=STATUS". Raises NotReported."""
    pairs = [each.rpartition("=") for each in given]
    if odd := next((each for each, pair in zip(given, pairs, strict=True) if not pair[0]), None):
        raise NotReported("The report was not sent.", f"{odd!r} is not NAME=STATUS.")
    return [{"name": name, "status": status} for name, _, status in pairs]


def artifact(image: str) -> dict[str, str]:
    """An image of "NAME:TAG@DIGEST"; the tag may be missing. Raises NotReported."""
    found = ImageRef.parse(image)
    if not found.digest:
        raise NotReported("The report was not sent.", f"{image!r} names no digest (@sha256:…).")
    tag = {"tag": found.tag} if found.tag else {}
    return {"name": found.repository, "digest": found.digest, **tag}


def send(board: Board, report: Mapping[str, Any], *, tries: int = TRIES, pause: float = 2.0) -> None:
    """Sign and send `report`; the same message again while the board is away. Raises NotReported."""
    content = json.dumps(report, separators=(",", ":")).encode()
    ident = f"msg_{uuid4().hex}"
    why = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(pause)
        try:
            _post(board, content, ident)
            return
        except urllib.error.HTTPError as error:
            said = detail(error)
            if error.code < 500:
                raise NotReported(
                    "The board refused the report.", said, "Mend it, and report again."
                ) from None
            why = f"It answered {error.code}."
        except OSError as error:
            why = f"{getattr(error, 'reason', error)}."
    raise NotReported("The board was not reached.", why, "Is the address right, and the board up?")


def signature(secret: str, ident: str, at: int, content: bytes) -> str:
    """Of the Standard Webhooks specification. Raises NotReported for what is no secret."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        todo = "A secret is whsec_ and base64, such as: echo whsec_$(openssl rand -base64 32)"
        raise NotReported("The secret is not one that signs.", "It is no base64.", todo) from None
    made = hmac.new(key, f"{ident}.{at}.".encode() + content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(made).decode()


def _post(board: Board, content: bytes, ident: str) -> None:
    at = int(datetime.now(UTC).timestamp())
    if not board.url.startswith(("http://", "https://")):
        raise NotReported("The board was not reached.", "Its address is neither http:// nor https://.")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked
        f"{board.url.rstrip('/')}/api/v1/pipelines",
        data=content,
        headers={
            "content-type": "application/json",
            "shipboard-hook": board.hook,
            "webhook-id": ident,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(board.secret, ident, at, content),
        },
    )
    with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
        pass


def detail(error: urllib.error.HTTPError) -> str:
    """What the board says is wrong."""
    try:
        told = json.loads(error.read(10_000))
        return str(told.get("detail", ""))[:500] or f"It answered {error.code}."
    except (ValueError, AttributeError, OSError):
        return f"It answered {error.code}."
