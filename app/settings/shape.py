"""The settings file as a whole: every key, its check and an example; and the variables that stand for some of them.

The larger parts are where their settings are: `auth`, `delivery`, `hooks`, `images`, `notify`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.places import Rule

from . import auth, delivery, notify, scalars
from .hooks import EVENTS, HOOKS, SERVICES, STAGES
from .images import SCAN_THRESHOLD, SIGNING
from .model import ClusterSettings
from .problems import suggestion
from .reader import Many, Table
from .scalars import Scalar

_HOST = Scalar(scalars.host, "host: 127.0.0.1")
_PORT = Scalar(scalars.number(1, 65535), "port: 8000", frozenset({"int"}))
_DATABASE = Scalar(scalars.database, "database: postgresql://shipboard@db.example.org/shipboard")
_RETENTION = Scalar(scalars.number(1, 3650), "retention_days: 90", frozenset({"int"}))
_LOG = Scalar(scalars.log_format, "log_format: json")
_URL = Scalar(scalars.public_url, "public_url: https://shipboard.example.org")
_AUDIT_KEY = Scalar(scalars.long_secret, "audit_key: 32 characters or more that nobody can guess")
_DRAIN = Scalar(scalars.seconds, "drain_seconds: 5", frozenset({"int", "float"}))
_SECRET = Scalar(scalars.secret, "secret: …")

VARIABLES: Mapping[str, tuple[str, Scalar]] = {
    "SHIPBOARD_LISTEN_HOST": ("host", _HOST),
    "SHIPBOARD_LISTEN_PORT": ("port", _PORT),
    "SHIPBOARD_DATABASE_URL": ("database", _DATABASE),
    "SHIPBOARD_RETENTION_DAYS": ("retention_days", _RETENTION),
    "SHIPBOARD_LOG_FORMAT": ("log_format", _LOG),
    "SHIPBOARD_PUBLIC_URL": ("public_url", _URL),
    "SHIPBOARD_AUDIT_KEY": ("audit_key", _AUDIT_KEY),
    "SHIPBOARD_DRAIN_SECONDS": ("drain_seconds", _DRAIN),
    "SHIPBOARD_OIDC_CLIENT_SECRET": ("oidc_secret", _SECRET),
    "SHIPBOARD_PROXY_SECRET": ("proxy_secret", _SECRET),
    "SHIPBOARD_FLAGGER_SECRET": ("flagger_secret", _AUDIT_KEY),
}
"""Environment variables that set something: the setting and its check. SHIPBOARD_CONFIG names the file."""


def _cluster(**found: Any) -> ClusterSettings:
    if found.get("in_cluster") and ("kubeconfig" in found or "context" in found):
        raise ValueError("is reached either by in_cluster or by kubeconfig and context, not both")
    return ClusterSettings(**found)


def _environments(order: tuple[str, ...] = (), rules: tuple[Rule, ...] = ()) -> dict[str, Any]:
    if len(set(order)) < len(order):
        raise ValueError("names an environment twice in order")
    for rule in rules:
        if order and rule.environment not in order:
            raise ValueError(
                f"has a rule for {rule.environment!r}, which order does not name. "
                + suggestion(rule.environment, order)
            )
    return {"environment_rules": rules, **({"environments": order} if order else {})}


_LABELS = Many(
    Scalar(scalars.label, "app.kubernetes.io/name"), "service_labels: [app.kubernetes.io/name, app]"
)
SHAPE = Table(
    {
        "listen": Table({"host": _HOST, "port": _PORT}, "listen: {host: 127.0.0.1, port: 8000}"),
        "database": _DATABASE,
        "clusters": Many(
            Table(
                {
                    "name": Scalar(scalars.name, "name: production"),
                    "kubeconfig": Scalar(scalars.path, "kubeconfig: ~/.kube/config"),
                    "context": scalars.text_like(r"[^\x00-\x1f]{1,253}", "a context", "context: prod"),
                    "namespaces": Many(
                        Scalar(scalars.namespace, "[shop, payments]"), "namespaces: [shop, payments]"
                    ),
                    "in_cluster": Scalar(scalars.boolean, "in_cluster: true", frozenset({"bool"})),
                },
                "- {name: production, kubeconfig: ~/.kube/config, context: prod}",
                required=("name",),
                build=_cluster,
            ),
            "clusters: [{name: production, context: prod}]",
        ),
        "environments": Table(
            {
                "order": Many(Scalar(scalars.name, "[staging, production]"), "order: [staging, production]"),
                "rules": Many(
                    Table(
                        {
                            "environment": Scalar(scalars.name, "environment: production"),
                            "cluster": Scalar(scalars.glob, "cluster: 'prod-*'"),
                            "namespace": Scalar(scalars.glob, "namespace: '*-prod'"),
                        },
                        "- {environment: production, namespace: '*-prod'}",
                        required=("environment",),
                        build=Rule,
                    ),
                    "rules: [{environment: production, namespace: '*-prod'}]",
                ),
            },
            "environments: {order: [staging, production]}",
            build=_environments,
        ),
        "service_labels": _LABELS,
        "team_labels": Many(Scalar(scalars.label, "team"), "team_labels: [team]"),
        "ignore_namespaces": Many(Scalar(scalars.glob, "kube-*"), "ignore_namespaces: ['kube-*']"),
        "hooks": HOOKS,
        "events": EVENTS,
        "notify": notify.SHAPE,
        "services": SERVICES,
        "job_stages": STAGES,
        "signing": SIGNING,
        "scan_threshold": SCAN_THRESHOLD,
        "retention_days": _RETENTION,
        "log_format": _LOG,
        "public_url": _URL,
        "drain_seconds": _DRAIN,
        "auth": auth.SHAPE,
        "delivery": delivery.SHAPE,
    },
    "listen: {port: 8000}",
)
