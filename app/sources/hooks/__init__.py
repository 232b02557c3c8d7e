"""Webhooks of CI and of alerting tools: one module a provider, pure; `PROVIDERS` lists them."""

from __future__ import annotations

from . import (
    alertmanager,
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
    incidentio,
    jenkins,
    opsgenie,
    pagerduty,
    statuspage,
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
        pagerduty.PROVIDER,
        opsgenie.PROVIDER,
        incidentio.PROVIDER,
        statuspage.PROVIDER,
        alertmanager.PROVIDER,
        alertmanager.GRAFANA,
    )
}

__all__ = ["PROVIDERS", "Delivery", "Provider", "Reading", "Refused"]
