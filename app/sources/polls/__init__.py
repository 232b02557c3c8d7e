"""CI's APIs, asked for what webhooks lost: one module a provider, `POLLS` lists them."""

from __future__ import annotations

from base64 import b64encode

from ..outbound import bearer
from . import azure, bitbucket, buildkite, circleci, gitea, github, gitlab, jenkins, woodpecker
from .port import Found, Poll

POLLS: dict[str, Poll] = {
    "azure": azure.poll,
    "bitbucket": bitbucket.poll,
    "buildkite": buildkite.poll,
    "circleci": circleci.poll,
    "gitea": gitea.poll,
    "github": github.poll,
    "gitlab": gitlab.poll,
    "jenkins": jenkins.poll,
    "woodpecker": woodpecker.poll,
}


def credential(provider: str, token: str) -> dict[str, str]:
    """The header that carries `token`: CircleCI's own, "user:token" as Basic credentials (Jenkins, Bitbucket's app
    passwords), Azure's without a user, else Bearer; none without a token."""
    if not token:
        return {}
    if provider == "circleci":
        return {"circle-token": token}
    if provider == "azure" and ":" not in token:
        token = f":{token}"
    if ":" in token:
        return {"authorization": f"Basic {b64encode(token.encode()).decode()}"}
    return bearer(token)


__all__ = ["POLLS", "Found", "Poll", "credential"]
