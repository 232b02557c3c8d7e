"""Settings of telling people: targets, and who is told what.

No secret stands in the file. Addresses that are secrets themselves (Apprise's, Slack's incoming webhooks) are read from
where the others are. A target whose secret is not there is off, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.domain.notices import PER_MINUTE, NoticeKind, Route

from . import scalars
from .problems import suggestion
from .reader import Many, Table
from .scalars import Scalar, text_like
from .secret_places import PLACE, SecretPlace, address, placed, shown
from .slack import NAME, PRIVATE, SLACK_API, WORKSPACE, SlackSettings


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Where notices may go. `sort` is "apprise", "webhook", "cdevents" or "slack"; `place` is where its secret is (the
    whole address for Apprise and for Slack's incoming webhooks). `private` permits an address that is not public."""

    name: str = ""
    sort: str = ""
    url: str = ""
    channel: str = ""
    place: SecretPlace | None = None
    private: bool = False
    secret: str = field(default="", repr=False)

    @property
    def on(self) -> bool:
        """Whether it has all it needs."""
        return bool(self.secret) or self.place is None

    def opened(self, environ: Mapping[str, str], base: Path) -> TargetSettings:
        """This with its secret."""
        if self.place is None:
            return self
        place = placed(self.place, base)
        return replace(self, place=place, secret=place.read(environ))

    def shown(self) -> dict[str, Any]:
        """In the shape of the file, without secrets."""
        place = shown(self.place) if self.place else {}
        key = {"webhook": "secret", "cdevents": "token"}.get(self.sort, "token" if self.channel else "url")
        more = {"private": True} if self.private else {}
        if self.sort == "apprise":
            return {"name": self.name, "apprise": {"url": place, **more}}
        api = {"api": self.url} if self.channel and self.url != SLACK_API else {}
        url = {"url": self.url} if self.sort in ("webhook", "cdevents") else api
        channel = {"channel": self.channel} if self.channel else {}
        return {"name": self.name, self.sort: {**url, **channel, **({key: place} if place else {}), **more}}


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """All of it. `per_minute` is how many messages a minute a target gets before they become a digest."""

    targets: tuple[TargetSettings, ...] = ()
    routes: tuple[Route, ...] = ()
    slack: tuple[SlackSettings, ...] = ()
    per_minute: int = PER_MINUTE

    @property
    def variables(self) -> set[str]:
        """The variables that hold its secrets."""
        places = [target.place for target in self.targets]
        places += [place for each in self.slack for place in (*each.places, each.bot)]
        return {place.env for place in places if place}

    def opened(self, environ: Mapping[str, str], base: Path) -> tuple[NotifySettings, tuple[str, ...]]:
        """This with its secrets, and what is odd."""
        targets = tuple(target.opened(environ, base) for target in self.targets)
        slack = tuple(each.opened(environ, base) for each in self.slack)
        odd = [f"notify: {t.name} is off, since {t.place} holds nothing." for t in targets if not t.on]
        odd += [
            f"notify: Slack {each.id} is off, since it has no secret." for each in slack if not each.secrets
        ]
        told = {name for route in self.routes for name in route.to}
        odd += [f"notify: no route leads to {t.name}." for t in targets if t.name not in told]
        return replace(self, targets=targets, slack=slack), tuple(odd)

    def shown(self) -> dict[str, Any]:
        """In the shape of the file, without secrets."""
        found: dict[str, Any] = {
            "targets": [target.shown() for target in self.targets],
            "routes": [_route_shown(route) for route in self.routes],
            "slack": [each.shown() for each in self.slack],
        }
        found = {name: value for name, value in found.items() if value}
        return found | ({"per_minute": self.per_minute} if self.per_minute != PER_MINUTE else {})


def _route_shown(route: Route) -> dict[str, Any]:
    places = {name: getattr(route, name) for name in ("environment", "service", "team")}
    kinds = {"kinds": sorted(kind.value for kind in route.kinds)} if route.kinds else {}
    return {"to": list(route.to), **{k: v for k, v in places.items() if v != "*"}, **kinds}


def _target(name: str, **found: Any) -> TargetSettings:
    if len(found) != 1:
        raise ValueError("is one of apprise, webhook, cdevents and slack")
    ((sort, target),) = found.items()
    assert isinstance(target, TargetSettings)
    return replace(target, name=name, sort=sort)


def _apprise(url: SecretPlace, private: bool = False) -> TargetSettings:
    return TargetSettings(place=url, private=private)


def _webhook(url: str, secret: SecretPlace, private: bool = False) -> TargetSettings:
    return TargetSettings(url=url, place=secret, private=private)


def _cdevents(url: str, token: SecretPlace | None = None, private: bool = False) -> TargetSettings:
    return TargetSettings(url=url, place=token, private=private)


def _slack(
    url: SecretPlace | None = None,
    channel: str = "",
    token: SecretPlace | None = None,
    api: str = SLACK_API,
    private: bool = False,
) -> TargetSettings:
    if (url is None) is (token is None) or bool(channel) is not (token is not None):
        raise ValueError("has either the url of an incoming webhook, or a channel and the token of a bot")
    return TargetSettings(url="" if url else api, channel=channel, place=url or token, private=private)


def _kind(text: str) -> NoticeKind:
    try:
        return NoticeKind(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is none. {suggestion(text, NoticeKind)}") from None


def _route(kinds: tuple[NoticeKind, ...] = (), **found: Any) -> Route:
    return Route(kinds=frozenset(kinds), **found)


def _build(**found: Any) -> NotifySettings:
    made = NotifySettings(**found)
    names = [target.name for target in made.targets]
    if len(set(names)) < len(names):
        raise ValueError("has two targets of one name")
    if len({each.id for each in made.slack}) < len(made.slack):
        raise ValueError("has two Slack workspaces of one id")
    for name in (name for route in made.routes for name in route.to):
        if name not in names:
            raise ValueError(f"has a route to {name!r}, which is no target. {suggestion(name, names)}")
    return made


_URL = Scalar(address, "url: https://ledger.example.org/shipboard")
_TARGET = Table(
    {
        "name": NAME,
        "apprise": Table(
            {"url": PLACE, "private": PRIVATE}, "apprise: {url: {env: SHIP_MAIL}}", ("url",), _apprise
        ),
        "webhook": Table(
            {"url": _URL, "secret": PLACE, "private": PRIVATE},
            "webhook: {url: https://ledger.example.org/ship, secret: {env: LEDGER_SECRET}}",
            ("url", "secret"),
            _webhook,
        ),
        "cdevents": Table(
            {"url": _URL, "token": PLACE, "private": PRIVATE},
            "cdevents: {url: https://events.example.org/shipboard}",
            ("url",),
            _cdevents,
        ),
        "slack": Table(
            {
                "url": PLACE,
                "channel": text_like(r"[A-Z0-9]{3,20}", "a channel's id", "channel: C024BE91L"),
                "token": PLACE,
                "api": _URL,
                "private": PRIVATE,
            },
            "slack: {channel: C024BE91L, token: {env: SLACK_BOT_TOKEN}}",
            build=_slack,
        ),
    },
    "- {name: releases, slack: {url: {env: SLACK_WEBHOOK}}}",
    ("name",),
    _target,
)
_ROUTE = Table(
    {
        "to": Many(NAME, "to: [releases]"),
        "environment": Scalar(scalars.glob, "environment: production"),
        "service": Scalar(scalars.glob, "service: 'payments-*'"),
        "team": text_like(r"[^\x00-\x1f]{1,100}", "a team or a glob", "team: payments"),
        "kinds": Many(Scalar(_kind, "gate-opened"), "kinds: [gate-opened, rollout-failed]"),
    },
    "- {to: [releases], environment: production}",
    ("to",),
    _route,
)
SHAPE = Table(
    {
        "targets": Many(_TARGET, "targets: [{name: releases, slack: {url: {env: SLACK_WEBHOOK}}}]"),
        "routes": Many(_ROUTE, "routes: [{to: [releases], environment: production}]"),
        "slack": Many(WORKSPACE, "slack: [{id: acme, secrets: [{env: SLACK_SIGNING_SECRET}]}]"),
        "per_minute": Scalar(scalars.number(1, 1000), "per_minute: 10", frozenset({"int"})),
    },
    "notify: {targets: [{name: releases, slack: {url: {env: SLACK_WEBHOOK}}}], routes: [{to: [releases]}]}",
    build=_build,
)
