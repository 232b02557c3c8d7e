"""Where settings come from, in order: command line, environment, file, defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.places import Rule

from . import scalars
from .hooks import EVENTS, HOOKS, SERVICES, STAGES, HookSettings
from .model import ClusterSettings, Settings
from .problems import Problem, SettingsRefused, suggestion
from .reader import Many, Table, read
from .scalars import Scalar

FILE = "shipboard.yaml"

_HOST = Scalar(scalars.host, "host: 127.0.0.1")
_PORT = Scalar(scalars.number(1, 65535), "port: 8000", frozenset({"int"}))
_DATABASE = Scalar(scalars.database, "database: postgresql://shipboard@db.example.org/shipboard")
_RETENTION = Scalar(scalars.number(1, 3650), "retention_days: 90", frozenset({"int"}))
_LOG = Scalar(scalars.log_format, "log_format: json")
_URL = Scalar(scalars.public_url, "public_url: https://shipboard.example.org")
_DRAIN = Scalar(scalars.seconds, "drain_seconds: 5", frozenset({"int", "float"}))

VARIABLES: Mapping[str, tuple[str, Scalar]] = {
    "SHIPBOARD_LISTEN_HOST": ("host", _HOST),
    "SHIPBOARD_LISTEN_PORT": ("port", _PORT),
    "SHIPBOARD_DATABASE_URL": ("database", _DATABASE),
    "SHIPBOARD_RETENTION_DAYS": ("retention_days", _RETENTION),
    "SHIPBOARD_LOG_FORMAT": ("log_format", _LOG),
    "SHIPBOARD_PUBLIC_URL": ("public_url", _URL),
    "SHIPBOARD_DRAIN_SECONDS": ("drain_seconds", _DRAIN),
}
"""Environment variables that set something: the setting and its check. SHIPBOARD_CONFIG names the file."""

# Kubernetes tells every pod of the Services in its namespace; one called "shipboard" looks like our settings.
_SERVICE_LINK = re.compile(r"SHIPBOARD_(SERVICE_(HOST|PORT)(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")


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
                    "context": Scalar(
                        scalars.matching(re.compile(r"[^\x00-\x1f]{1,253}"), "a context"), "context: prod"
                    ),
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
        "services": SERVICES,
        "job_stages": STAGES,
        "retention_days": _RETENTION,
        "log_format": _LOG,
        "public_url": _URL,
        "drain_seconds": _DRAIN,
    },
    "listen: {port: 8000}",
)


def load(
    file: Path | None, environ: Mapping[str, str], directory: Path, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from `file` (--config), else SHIPBOARD_CONFIG, else ./shipboard.yaml if there, else defaults.

    `overrides` is what the command line says: scalars as text by the name of the setting, `clusters` as
    values. Raises SettingsRefused with every mistake in file, environment and command line. A file that was
    asked for must be there; a file that is there must be right.
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    file = _file(file, environ, directory, problems)
    if file is not None:
        try:
            values |= _flat(read(file, SHAPE), file)
        except SettingsRefused as refused:
            problems += refused.problems
    for variable, (setting, scalar) in VARIABLES.items():
        if (text := environ.get(variable)) is not None:
            _take(values, setting, scalar, text, variable, problems)
    by_setting = dict(VARIABLES.values())
    for setting, given in (overrides or {}).items():
        if setting in by_setting:
            option = "--" + setting.replace("_", "-")
            _take(values, setting, by_setting[setting], str(given), option, problems)
        else:
            values[setting] = given
    names = [cluster.name for cluster in values.get("clusters", ()) if cluster.name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(Problem(str(file or "--context"), "clusters", f"has two clusters called {name!r}"))
    hooks, odd = _hooks(values.pop("hooks", ()), environ, file, problems)
    if problems:
        raise SettingsRefused(problems)
    if "database" not in values:
        values["database"] = default_database(environ)
    base = file.absolute().parent if file else Path()
    values["events"] = tuple(sink.opened(environ, base) for sink in values.get("events", ()))
    secrets = {place.env for hook in hooks for place in hook.secret_places}
    secrets |= {sink.token.env for sink in values["events"] if sink.token}
    return Settings(**values, hooks=hooks, file=file, warnings=(*_unknown(environ, secrets), *odd))


def _hooks(
    found: tuple[HookSettings, ...], environ: Mapping[str, str], file: Path | None, problems: list[Problem]
) -> tuple[tuple[HookSettings, ...], tuple[str, ...]]:
    """The hooks with their secrets, and what is odd about them."""
    names = [hook.id for hook in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [Problem(str(file), "hooks", f"has two hooks called {name!r}") for name in twice]
    base = file.absolute().parent if file else Path()
    opened = [hook.opened(environ, base) for hook in found]
    return tuple(hook for hook, _ in opened), tuple(text for _, odd in opened for text in odd)


def default_database(environ: Mapping[str, str]) -> str:
    """A SQLite file in the user's state directory: the same one wherever the command is typed."""
    state = environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path("~/.local/state").expanduser()
    return f"sqlite+aiosqlite:///{base / 'shipboard' / 'shipboard.db'}"


def _file(
    asked: Path | None, environ: Mapping[str, str], directory: Path, problems: list[Problem]
) -> Path | None:
    if asked is not None:
        return asked
    if (named := environ.get("SHIPBOARD_CONFIG")) is not None:
        if named.strip():
            return Path(named).expanduser()
        problems.append(Problem("SHIPBOARD_CONFIG", "", "is set but empty", f"SHIPBOARD_CONFIG=/etc/{FILE}"))
        return None
    return directory / FILE if (directory / FILE).exists() else None


def _flat(read_values: dict[str, Any], file: Path) -> dict[str, Any]:
    """The file's groups, spread over the settings; paths are relative to the file they stand in."""
    values = dict(read_values)
    values |= values.pop("listen", {})
    values |= values.pop("environments", {})
    base = file.absolute().parent
    values["clusters"] = tuple(
        replace(cluster, kubeconfig=base / cluster.kubeconfig) if cluster.kubeconfig else cluster
        for cluster in values.get("clusters", ())
    )
    return values


def _take(
    values: dict[str, Any], setting: str, scalar: Scalar, text: str, where: str, problems: list[Problem]
) -> None:
    try:
        if not text.strip():
            raise ValueError("is set but empty")
        values[setting] = scalar.check(text)
    except ValueError as error:
        problems.append(Problem(where, "", str(error), f"{where}={scalar.example.partition(': ')[2]}"))


def _unknown(environ: Mapping[str, str], secrets: set[str]) -> tuple[str, ...]:
    known = {*VARIABLES, "SHIPBOARD_CONFIG", *secrets}
    return tuple(
        f"{variable} sets nothing. {suggestion(variable, known)}"
        for variable in sorted(environ)
        if variable.startswith("SHIPBOARD_")
        and not variable.startswith("SHIPBOARD_TEST_")
        and variable not in known
        and not _SERVICE_LINK.fullmatch(variable)
    )
