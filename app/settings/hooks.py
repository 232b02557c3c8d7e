"""Settings of CI: who may send webhooks, where to ask what they lost, which services a repository ships.

Secrets never stand in the file: it names a variable or a file that holds them, and two or more are valid at once
while one takes over. A hook without a secret that can be read is off, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.domain.jobs import JobRule, JobStage
from app.domain.repositories import Ships

from . import scalars
from .gates import GATES, GateSettings
from .reader import Many, Table
from .scalars import Scalar
from .secret_places import PLACE, WORDS, SecretPlace, address, placed, shown

ALERTING = ("pagerduty", "opsgenie", "alertmanager", "grafana", "incidentio", "statuspage")
"""Those that tell of incidents in environments, not of repositories."""
PROVIDERS = (
    *("github", "gitlab", "jenkins", "buildkite", "circleci", "azure", "bitbucket"),
    *("gitea", "drone", "woodpecker", "tekton", "cdevents", "generic"),
    *ALERTING,
)


@dataclass(frozen=True, slots=True)
class PollSettings:
    """Where to ask what webhooks lost, or to send events: the address and the place of a token for it. `private`
    permits an address that is not public."""

    url: str = ""
    token: SecretPlace | None = None
    private: bool = False
    secret: str = field(default="", repr=False)

    def opened(self, environ: Mapping[str, str], base: Path) -> PollSettings:
        """This with its token."""
        if self.token is None:
            return self
        token = placed(self.token, base)
        return replace(self, token=token, secret=token.read(environ))

    def shown(self) -> dict[str, Any]:
        """In the shape of the file, without secrets."""
        token = {"token": shown(self.token)} if self.token else {}
        return {"url": self.url, **({"private": True} if self.private else {}), **token}


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A name (glob) that an alerting tool has for `service`."""

    name: str
    service: str

    def shown(self) -> dict[str, str]:
        """In the shape of the file."""
        return {"name": self.name, "service": self.service}


@dataclass(frozen=True, slots=True)
class HookSettings:
    """One hook, `/hooks/PROVIDER/ID`. `repositories` are globs of repository keys that it may report for;
    `secrets` are read from `places` at the start. `silent_hours`: after how long without one it is told. One that tells
    of incidents has `environments` instead, the first being that of those that name none, the tool's `service_names`,
    and `blame`: whether what was deployed last there caused them."""

    id: str = ""
    provider: str = ""
    places: tuple[SecretPlace, ...] = ()
    repositories: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    service_names: tuple[ServiceName, ...] = ()
    blame: bool = True
    silent_hours: int = 24
    poll: PollSettings | None = None
    gates: GateSettings | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def secret_places(self) -> tuple[SecretPlace, ...]:
        """Where all its secrets are, those of poll and gates too."""
        token = self.poll.token if self.poll else None
        found = (*self.places, token) if token else self.places
        return (*found, *self.gates.places.values()) if self.gates else found

    def opened(self, environ: Mapping[str, str], base: Path) -> tuple[HookSettings, tuple[str, ...]]:
        """This hook with its secrets, and what is odd: secrets that are not there."""
        places = tuple(placed(place, base) for place in self.places)
        secrets = tuple(dict.fromkeys(secret for place in places if (secret := place.read(environ))))
        odd = [f"hooks: {self.id}: {place} holds no secret." for place in places if not place.read(environ)]
        if not secrets:
            odd.append(f"hooks: {self.id} is off, since it has no secret.")
        poll = self.poll.opened(environ, base) if self.poll else None
        if poll and poll.token and not poll.secret:
            odd.append(f"hooks: {self.id}: {poll.token} holds no token to poll with.")
        gates = self.gates.opened(environ, base) if self.gates else None
        if gates:
            odd += [f"hooks: {self.id}: {text}" for text in gates.odd(self.provider)]
        return replace(self, places=places, secrets=secrets, poll=poll, gates=gates), tuple(odd)

    def shown(self) -> dict[str, Any]:
        """In the shape of the file, without secrets."""
        return {
            "id": self.id,
            "provider": self.provider,
            "secrets": [shown(place) for place in self.places],
            **({"repositories": list(self.repositories)} if self.repositories else {}),
            **({"environments": list(self.environments)} if self.environments else {}),
            **(
                {"service_names": [each.shown() for each in self.service_names]} if self.service_names else {}
            ),
            **({} if self.blame else {"blame": False}),
            "silent_hours": self.silent_hours,
            **({"poll": self.poll.shown()} if self.poll else {}),
            **({"gates": self.gates.shown()} if self.gates else {}),
        }


def _hook(**found: Any) -> HookSettings:
    if found["provider"] in ALERTING:
        if not found.get("environments"):
            raise ValueError("names no environment it may tell of incidents in")
    elif not found.get("repositories"):
        raise ValueError("names no repository it may report for")
    return HookSettings(places=found.pop("secrets", ()), **found)


def _provider(text: str) -> str:
    if text not in PROVIDERS:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(PROVIDERS)}")
    return text


def _stage(text: str) -> JobStage:
    try:
        return JobStage(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(JobStage)}") from None


_ID = scalars.matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"), "an id of letters, digits, - and _")
_GLOB = scalars.text_like(r"[^\x00-\x20]{1,300}", "a glob without spaces", "github.com/acme/*")
HOOKS = Many(
    Table(
        {
            "id": Scalar(_ID, "id: acme-github"),
            "provider": Scalar(_provider, "provider: github"),
            "secrets": Many(PLACE, "secrets: [{env: CI_SECRET}, {file: /run/secrets/ci-next}]"),
            "repositories": Many(_GLOB, "repositories: ['github.com/acme/*']"),
            "environments": Many(Scalar(scalars.name, "production"), "environments: [production]"),
            "service_names": Many(
                Table(
                    {"name": WORDS, "service": Scalar(scalars.name, "service: cart")},
                    "- {name: 'Cart*', service: cart}",
                    required=("name", "service"),
                    build=ServiceName,
                ),
                "service_names: [{name: 'Cart*', service: cart}]",
            ),
            "blame": Scalar(scalars.boolean, "blame: false", frozenset({"bool"})),
            "silent_hours": Scalar(scalars.number(1, 8760), "silent_hours: 24", frozenset({"int"})),
            "poll": Table(
                {
                    "url": Scalar(address, "url: https://api.github.example.org"),
                    "token": PLACE,
                    "private": Scalar(scalars.boolean, "private: true", frozenset({"bool"})),
                },
                "poll: {url: https://git.example.org/api/v4, token: {env: CI_TOKEN}}",
                required=("url",),
                build=PollSettings,
            ),
            "gates": GATES,
        },
        "- {id: acme, provider: github, secrets: [{env: CI_SECRET}], repositories: ['github.com/acme/*']}",
        required=("id", "provider"),
        build=_hook,
    ),
    "hooks: [{id: acme, provider: github, secrets: [{env: CI_SECRET}], repositories: ['github.com/acme/*']}]",
)
EVENTS = Many(
    Table(
        {
            "url": Scalar(address, "url: https://events.example.org/shipboard"),
            "token": PLACE,
            "private": Scalar(scalars.boolean, "private: true", frozenset({"bool"})),
        },
        "- {url: https://events.example.org/shipboard, token: {env: EVENTS_TOKEN}}",
        required=("url",),
        build=PollSettings,
    ),
    "events: [{url: https://events.example.org/shipboard}]",
)
SERVICES = Many(
    Table(
        {
            "repository": _GLOB,
            "pipeline": WORDS,
            "services": Many(Scalar(scalars.name, "[cart]"), "services: [cart]"),
        },
        "- {repository: github.com/acme/shop, services: [cart, checkout]}",
        required=("repository", "services"),
        build=Ships,
    ),
    "services: [{repository: github.com/acme/shop, services: [cart, checkout]}]",
)
STAGES = Many(
    Table(
        {"job": WORDS, "stage": Scalar(_stage, "stage: unit")},
        "- {job: 'check *', stage: unit}",
        required=("job", "stage"),
        build=JobRule,
    ),
    "job_stages: [{job: 'check *', stage: unit}]",
)
