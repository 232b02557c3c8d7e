"""Settings of the Slack workspaces whose slash command and buttons may answer gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import scalars
from .reader import Many, Table
from .scalars import Scalar, text_like
from .secret_places import PLACE, SecretPlace, address, placed, shown

SLACK_API = "https://slack.com/api"
SLACK_HOOKS = "https://hooks.slack.com"
NAME = text_like(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", "a name of letters, digits, - and _", "name: releases")
PRIVATE = Scalar(scalars.boolean, "private: true", frozenset({"bool"}))


@dataclass(frozen=True, slots=True)
class SlackPerson:
    """Who somebody of Slack is here: `user` is Slack's id, `identity` as in `auth.roles` ("local:vera"), `groups` those
    that a sign-in would bring."""

    user: str
    identity: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """A Slack workspace whose slash command and buttons come to /hooks/slack/ID. `team` is Slack's id of it (empty: not
    compared). `counts_as_sign_in`: a click proves who somebody is as a sign-in of that moment does. `hooks` is where
    its response addresses lie. With the token of a bot (`bot`) a no is asked why in a dialog."""

    id: str = ""
    team: str = ""
    places: tuple[SecretPlace, ...] = ()
    people: tuple[SlackPerson, ...] = ()
    counts_as_sign_in: bool = False
    hooks: str = SLACK_HOOKS
    private: bool = False
    bot: SecretPlace | None = None
    api: str = SLACK_API
    secrets: tuple[str, ...] = field(default=(), repr=False)
    token: str = field(default="", repr=False)

    def opened(self, environ: Mapping[str, str], base: Path) -> SlackSettings:
        """This with its secrets."""
        places = tuple(placed(place, base) for place in self.places)
        secrets = tuple(secret for place in places if (secret := place.read(environ)))
        bot = placed(self.bot, base) if self.bot else None
        return replace(self, places=places, secrets=secrets, bot=bot, token=bot.read(environ) if bot else "")

    def shown(self) -> dict[str, Any]:
        """In the shape of the file, without secrets."""
        people = [
            {"user": p.user, "identity": p.identity, **({"groups": list(p.groups)} if p.groups else {})}
            for p in self.people
        ]
        return {
            "id": self.id,
            **({"team": self.team} if self.team else {}),
            "secrets": [shown(place) for place in self.places],
            "people": people,
            **({"counts_as_sign_in": True} if self.counts_as_sign_in else {}),
            **({"bot": shown(self.bot)} if self.bot else {}),
            **({"api": self.api} if self.api != SLACK_API else {}),
            **({"hooks": self.hooks} if self.hooks != SLACK_HOOKS else {}),
            **({"private": True} if self.private else {}),
        }


def _workspace(secrets: tuple[SecretPlace, ...], **found: Any) -> SlackSettings:
    twice = [p.user for p in found.get("people", ())]
    if len(set(twice)) < len(twice):
        raise ValueError("names a user of Slack twice")
    return SlackSettings(places=secrets, **found)


_IDENTITY = text_like(
    r"(local|oidc|proxy):[\x21-\x7e]{1,255}", "local:, oidc: or proxy: with a name", "local:vera"
)
WORKSPACE = Table(
    {
        "id": NAME,
        "team": text_like(r"[A-Z0-9]{3,20}", "a workspace's id", "team: T024BE7LD"),
        "secrets": Many(PLACE, "secrets: [{env: SLACK_SIGNING_SECRET}]"),
        "people": Many(
            Table(
                {
                    "user": text_like(r"[A-Z0-9]{3,20}", "a member's id", "user: U024BE7LH"),
                    "identity": _IDENTITY,
                    "groups": Many(
                        text_like(r"[^\x00-\x1f]{1,200}", "a group", "release"), "groups: [release]"
                    ),
                },
                "- {user: U024BE7LH, identity: 'local:vera'}",
                ("user", "identity"),
                SlackPerson,
            ),
            "people: [{user: U024BE7LH, identity: 'local:vera'}]",
        ),
        "counts_as_sign_in": Scalar(scalars.boolean, "counts_as_sign_in: true", frozenset({"bool"})),
        "bot": PLACE,
        "api": Scalar(address, "api: https://slack-gov.com/api"),
        "hooks": Scalar(address, "hooks: https://hooks.slack-gov.com"),
        "private": PRIVATE,
    },
    "- {id: acme, secrets: [{env: SLACK_SIGNING_SECRET}], people: [{user: U024BE7LH, identity: 'local:vera'}]}",
    ("id", "secrets"),
    _workspace,
)
