"""The settings themselves: frozen values, checked before they are made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.domain import places
from app.domain.delivery import Delivery
from app.domain.jobs import JobRule
from app.domain.repositories import Ships
from app.domain.signing import SigningRule

from . import delivery as delivered_file
from . import images
from .auth import AuthSettings
from .hooks import HookSettings, PollSettings
from .notify import NotifySettings


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """One cluster to watch: a context of a kubeconfig, or the cluster this process runs in.

    `kubeconfig` None means KUBECONFIG or ~/.kube/config, `context` "" the current one, `namespaces` () all.
    """

    name: str = ""
    kubeconfig: Path | None = None
    context: str = ""
    in_cluster: bool = False
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a start needs to know. `log_format` "" means text on a terminal and JSON elsewhere.

    `audit_key` is what the audit's chain is made with: SHIPBOARD_AUDIT_KEY, never in the file; empty with SQLite means
    the key that lies beside the database. `flagger_secret` stands in the addresses that Flagger asks: empty, it cannot.

    `file` is the file that was read (None: there was none), `warnings` what is odd but no reason to refuse.
    """

    database: str
    audit_key: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    clusters: tuple[ClusterSettings, ...] = ()
    environments: tuple[str, ...] = places.ENVIRONMENTS
    environment_rules: tuple[places.Rule, ...] = ()
    service_labels: tuple[str, ...] = places.SERVICE_LABELS
    team_labels: tuple[str, ...] = places.TEAM_LABELS
    ignore_namespaces: tuple[str, ...] = places.IGNORED_NAMESPACES
    hooks: tuple[HookSettings, ...] = ()
    events: tuple[PollSettings, ...] = ()
    notify: NotifySettings = field(default_factory=NotifySettings)
    services: tuple[Ships, ...] = ()
    job_stages: tuple[JobRule, ...] = ()
    signing: tuple[SigningRule, ...] = ()
    scan_threshold: str = ""
    retention_days: int = 90
    log_format: str = ""
    public_url: str = ""
    drain_seconds: float = 5.0
    auth: AuthSettings = field(default_factory=AuthSettings)
    delivery: Delivery = field(default_factory=Delivery)
    flagger_secret: str = field(default="", repr=False)
    file: Path | None = None
    warnings: tuple[str, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address to listen on."""
        return is_loopback(self.host)

    @property
    def address(self) -> str:
        """Where people find the board: `public_url`, or the address it listens on."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def delivered(self) -> Delivery:
        """The rules of delivery, with the order of the environments."""
        return replace(self.delivery, order=self.environments)

    @property
    def place_rules(self) -> places.PlaceRules:
        """How the collectors find a workload's place."""
        return places.PlaceRules(
            self.environments,
            self.environment_rules,
            self.service_labels,
            self.team_labels,
            self.ignore_namespaces,
        )

    def as_file(self) -> dict[str, Any]:
        """The settings in the shape of the file, without secrets."""
        return {
            "listen": {"host": self.host, "port": self.port},
            "database": without_password(self.database),
            "clusters": [_cluster(cluster) for cluster in self.clusters],
            "environments": {
                "order": list(self.environments),
                "rules": [
                    {"environment": rule.environment, "cluster": rule.cluster, "namespace": rule.namespace}
                    for rule in self.environment_rules
                ],
            },
            "service_labels": list(self.service_labels),
            "team_labels": list(self.team_labels),
            "ignore_namespaces": list(self.ignore_namespaces),
            **_ci(self),
            "retention_days": self.retention_days,
            **({"log_format": self.log_format} if self.log_format else {}),
            **({"public_url": self.public_url} if self.public_url else {}),
            "drain_seconds": self.drain_seconds,
            **({"auth": self.auth.as_file()} if self.auth.modes else {}),
            **(
                {"delivery": dict(delivered_file.as_file(self.delivery))}
                if self.delivery != Delivery()
                else {}
            ),
        }


def _ci(settings: Settings) -> dict[str, Any]:
    """What is set of CI; nothing where nothing is."""
    services = [
        {"repository": rule.repository, "pipeline": rule.pipeline, "services": list(rule.services)}
        for rule in settings.services
    ]
    found: dict[str, Any] = {
        "hooks": [hook.shown() for hook in settings.hooks],
        "events": [sink.shown() for sink in settings.events],
        "notify": settings.notify.shown(),
        "services": services,
        "job_stages": [{"job": rule.job, "stage": rule.stage.value} for rule in settings.job_stages],
        "signing": [images.shown(rule) for rule in settings.signing],
        "scan_threshold": settings.scan_threshold,
    }
    return {name: value for name, value in found.items() if value}


def is_loopback(host: str) -> bool:
    """Whether `host`, an address or a name, is this machine's own: 127.0.0.0/8, ::1 or localhost."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def without_password(url: str) -> str:
    """A database URL fit to be shown: the password, if any, as three stars."""
    parts = urlsplit(url)
    if "password=" in parts.query:
        parts = parts._replace(query="***")
    if parts.password is None:
        return urlunsplit(parts) if parts.netloc or parts.query else url
    user, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{place}"))


def _cluster(cluster: ClusterSettings) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": cluster.name} if cluster.name else {}
    if cluster.in_cluster:
        shown["in_cluster"] = True
    if cluster.kubeconfig:
        shown["kubeconfig"] = str(cluster.kubeconfig)
    if cluster.context:
        shown["context"] = cluster.context
    if cluster.namespaces:
        shown["namespaces"] = list(cluster.namespaces)
    return shown
