"""Where gates that webhooks raise are answered: the `gates` part of a hook's settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import scalars
from .reader import Many, Table
from .scalars import Scalar
from .secret_places import PLACE, WORDS, SecretPlace, address, placed, shown


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Where the gates that a hook raises are answered, and workflows started: the API's address, and a token, or a
    GitHub App's id and where its private key is. `trigger` is where a GitLab trigger token is; `environments` are what
    theirs are called here: (theirs, ours)."""

    url: str = ""
    token: SecretPlace | None = None
    app: str = ""
    key: SecretPlace | None = None
    trigger: SecretPlace | None = None
    private: bool = False
    environments: tuple[tuple[str, str], ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def places(self) -> Mapping[str, SecretPlace]:
        """Where its secrets are, by what they are."""
        named = {"token": self.token, "key": self.key, "trigger": self.trigger}
        return {name: place for name, place in named.items() if place}

    def opened(self, environ: Mapping[str, str], base: Path) -> GateSettings:
        """This with its secrets, as far as they are there."""
        return replace(
            self, secrets={n: placed(place, base).read(environ) for n, place in self.places.items()}
        )

    def odd(self, provider: str) -> tuple[str, ...]:
        """What keeps gates from being answered."""
        missing = [str(place) for name, place in self.places.items() if not self.secrets.get(name)]
        found = [f"{place} holds no secret, so its gates cannot be answered." for place in missing]
        if not (self.token or (self.app and self.key)):
            found.append("gates has neither token nor app and key, so they cannot be answered.")
        if provider not in ("github", "gitlab"):
            found.append("only gates of github and gitlab can be answered.")
        return tuple(found)

    def shown(self) -> dict[str, Any]:
        """In the shape of the file, without secrets."""
        return {
            "url": self.url,
            **({"private": True} if self.private else {}),
            **({"app": self.app} if self.app else {}),
            **{name: shown(place) for name, place in self.places.items()},
            **(
                {"environments": [{"name": theirs, "is": ours} for theirs, ours in self.environments]}
                if self.environments
                else {}
            ),
        }


def _gates(**found: Any) -> GateSettings:
    if "app" in found and "key" not in found:
        raise ValueError("names an app and no key of it")
    return GateSettings(**found)


def _called(name: str, **found: str) -> tuple[str, str]:
    return name, found["is"]


GATES = Table(
    {
        "url": Scalar(address, "url: https://api.github.example.org"),
        "token": PLACE,
        "app": Scalar(
            scalars.matching(re.compile(r"[A-Za-z0-9.]{1,40}"), "an App's id"),
            "app: 4711",
            frozenset({"str", "int"}),
        ),
        "key": PLACE,
        "trigger": PLACE,
        "private": Scalar(scalars.boolean, "private: true", frozenset({"bool"})),
        "environments": Many(
            Table(
                {"name": WORDS, "is": Scalar(scalars.name, "is: production")},
                "- {name: prod, is: production}",
                required=("name", "is"),
                build=_called,
            ),
            "environments: [{name: prod, is: production}]",
        ),
    },
    "gates: {url: https://api.github.example.org, app: 4711, key: {file: /run/secrets/app.pem}}",
    required=("url",),
    build=_gates,
)
