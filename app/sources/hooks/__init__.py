"""CI's webhooks: one module a provider, pure; `PROVIDERS` lists them."""

from __future__ import annotations

from . import (
    azure,
    bitbucket,
    buildkite,
    cdevents,
    circleci,
    drone,
    generic,
    gitea,
    github,
    gitlab,
    jenkins,
    tekton,
)
from .port import Delivery, Provider, Reading, Refused

PROVIDERS = {
    provider.name: provider
    for provider in (
        github.PROVIDER,
        gitlab.PROVIDER,
        jenkins.PROVIDER,
        buildkite.PROVIDER,
        circleci.PROVIDER,
        azure.PROVIDER,
        bitbucket.PROVIDER,
        gitea.PROVIDER,
        drone.PROVIDER,
        drone.WOODPECKER,
        tekton.PROVIDER,
        cdevents.PROVIDER,
        generic.PROVIDER,
    )
}

__all__ = ["PROVIDERS", "Delivery", "Provider", "Reading", "Refused"]
