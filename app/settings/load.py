"""Where settings come from, in order: command line, environment, file, defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.delivery import lint
from app.domain.places import Rule

from . import auth, delivery, images, notify, scalars
from .auth import AuthSettings, Mode, Secret
from .hooks import EVENTS, HOOKS, SERVICES, STAGES, HookSettings
from .images import SCAN_THRESHOLD, SIGNING
from .model import ClusterSettings, Settings, is_loopback
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
_AUDIT_KEY = Scalar(scalars.long_secret, "audit_key: 32 characters or more that nobody can guess")
_DRAIN = Scalar(scalars.seconds, "drain_seconds: 5", frozenset({"int", "float"}))
_SECRET = Scalar(scalars.secret, "secret: …")
_FLAGGER = _AUDIT_KEY

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
    "SHIPBOARD_FLAGGER_SECRET": ("flagger_secret", _FLAGGER),
}
"""Environment variables that set something: the setting and its check. SHIPBOARD_CONFIG names the file."""

_ELSEWHERE = frozenset({"SHIPBOARD_FAILPOINT", "SHIPBOARD_URL", "SHIPBOARD_TOKEN", "SHIPBOARD_PASSWORD"})
"""Variables of other parts: `shipboard act` and the tests."""
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


_PERSON = scalars.text_like(
    r"\*|(local|oidc|proxy):[\x21-\x7e]{1,255}", "* or local:, oidc: or proxy: with a name", "local:vera"
)
_GROUP = scalars.text_like(r"[^\x00-\x1f]{1,200}", "a group", "deployers")
_HEADER = Scalar(auth.header, "X-Forwarded-User")
_FILE = Scalar(scalars.path, "/run/secrets/shipboard")


def _oidc(secret_file: Path | None = None, **found: Any) -> auth.OidcSettings:
    return auth.OidcSettings(**found, secret=_of_file(secret_file))


def _proxy(secret_file: Path | None = None, **found: Any) -> auth.ProxySettings:
    if not found["peers"]:
        raise ValueError("names no peers")
    return auth.ProxySettings(**found, secret=_of_file(secret_file))


def _of_file(file: Path | None) -> Secret:
    """The secret in `file`; relative ones are found from where Shipboard was started."""
    if file is None:
        return Secret("")
    try:
        return Secret(scalars.secret(file.read_text().strip()))
    except (OSError, UnicodeError) as error:
        raise ValueError(
            f"names {file}, which cannot be read: {getattr(error, 'strerror', 'not text')}"
        ) from None


_AUTH = Table(
    {
        "modes": Many(Scalar(auth.mode, "local"), "modes: [oidc, local]"),
        "anonymous": Scalar(auth.anonymous, "anonymous: viewer"),
        "idle_minutes": Scalar(scalars.number(5, 1440), "idle_minutes: 30", frozenset({"int"})),
        "hours": Scalar(scalars.number(1, 168), "hours: 12", frozenset({"int"})),
        "step_up_minutes": Scalar(scalars.number(0, 1440), "step_up_minutes: 15", frozenset({"int"})),
        "forwarded_by": Many(Scalar(auth.peer, "10.0.0.7"), "forwarded_by: [10.0.0.7]"),
        "oidc": Table(
            {
                "issuer": Scalar(auth.issuer, "issuer: https://id.example.org/realms/ship"),
                "client_id": scalars.text_like(r"[\x21-\x7e]{1,200}", "a client id", "shipboard"),
                "secret_file": _FILE,
                "groups_claim": scalars.text_like(r"[\x21-\x7e]{1,100}", "a claim's name", "groups"),
                "scopes": Many(
                    scalars.text_like(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}", "a scope", "openid"),
                    "[openid, groups]",
                ),
                "name": scalars.text_like(
                    r"[^\x00-\x1f]{1,60}", "a name of at most 60 characters", "Example ID"
                ),
            },
            "oidc: {issuer: 'https://id.example.org', client_id: shipboard}",
            required=("issuer", "client_id"),
            build=_oidc,
        ),
        "proxy": Table(
            {
                "peers": Many(Scalar(auth.peer, "10.0.0.7"), "peers: [10.0.0.7]"),
                "secret_file": _FILE,
                "user_header": _HEADER,
                "groups_header": _HEADER,
                "secret_header": _HEADER,
            },
            "proxy: {peers: [10.0.0.7]}",
            required=("peers",),
            build=_proxy,
        ),
        "roles": Many(
            Table(
                {
                    "role": Scalar(auth.role, "role: operator"),
                    "environment": scalars.text_like(
                        r"\*|[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}", "an environment or *", "staging"
                    ),
                    "groups": Many(_GROUP, "groups: [deployers]"),
                    "people": Many(_PERSON, "people: ['local:vera']"),
                },
                "- {role: operator, environment: staging, groups: [deployers]}",
                required=("role",),
                build=auth.grant,
            ),
            "roles: [{role: viewer, people: ['*']}]",
        ),
    },
    "auth: {modes: [local]}",
    build=auth.build,
)

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
        "auth": _AUTH,
        "delivery": delivery.SHAPE,
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
    _finish_auth(values, str(file or "the environment"), problems)
    hooks, odd = _hooks(values.pop("hooks", ()), environ, file, problems)
    if problems:
        raise SettingsRefused(problems)
    if "database" not in values:
        values["database"] = default_database(environ)
    warnings = odd
    if values["database"].startswith("postgresql") and "audit_key" not in values:
        warnings += (
            "SHIPBOARD_AUDIT_KEY is not set: what the audit holds cannot be checked after the next start. Give all "
            "replicas the same one.",
        )
    base = file.absolute().parent if file else Path()
    signing = [images.opened(rule, base) for rule in values.get("signing", ())]
    values["signing"] = tuple(rule for rule, _ in signing)
    warnings += tuple(text for _, odd in signing for text in odd)
    values["events"] = tuple(sink.opened(environ, base) for sink in values.get("events", ()))
    values["notify"], silent = values.get("notify", notify.NotifySettings()).opened(environ, base)
    warnings += silent
    secrets = values["notify"].variables
    secrets |= {place.env for hook in hooks for place in hook.secret_places}
    secrets |= {sink.token.env for sink in values["events"] if sink.token}
    found = Settings(**values, hooks=hooks, file=file, warnings=(*_unknown(environ, secrets), *warnings))
    odd = (*lint(found.delivered), *_nowhere(found)) if found.delivery.rules else ()
    return replace(found, warnings=(*found.warnings, *odd))


def _nowhere(found: Settings) -> tuple[str, ...]:
    """Workflows that cannot be started, since no hook has an API for them."""
    known = {hook.id for hook in found.hooks if hook.gates}
    return tuple(
        f"{name}: dispatch names the hook {rules.dispatch.hook!r}, which is not there or has no `gates`."
        for name, rules in found.delivery.rules.items()
        if rules.dispatch and rules.dispatch.hook not in known
    )


def _finish_auth(values: dict[str, Any], where: str, problems: list[Problem]) -> None:
    """Put the secrets of the environment in their place, and see that nothing is missing for a way to sign in."""
    found: AuthSettings = values.get("auth", AuthSettings())
    oidc_secret, proxy_secret = values.pop("oidc_secret", None), values.pop("proxy_secret", None)
    if found.oidc and oidc_secret:
        found = replace(found, oidc=replace(found.oidc, secret=Secret(oidc_secret)))
    if found.proxy and proxy_secret:
        found = replace(found, proxy=replace(found.proxy, secret=Secret(proxy_secret)))
    for name, part, variable in (
        ("oidc", found.oidc, "SHIPBOARD_OIDC_CLIENT_SECRET"),
        ("proxy", found.proxy, "SHIPBOARD_PROXY_SECRET"),
    ):
        if part and not part.secret:
            what = f"has no secret: name a secret_file, or set {variable}"
            problems.append(Problem(where, f"auth.{name}", what))
    if found.proxy and 0 < len(found.proxy.secret.reveal()) < 16:
        problems.append(Problem(where, "auth.proxy", "has a secret of fewer than 16 characters"))
    if (
        Mode.OIDC in found.modes
        and not values.get("public_url")
        and not is_loopback(values.get("host", "127.0.0.1"))
    ):
        what = "is missing: the provider sends people back to it"
        problems.append(Problem(where, "public_url", what, "public_url: https://shipboard.example.org"))
    order = values.get("environments", ())
    for each in found.grants:
        if order and each.environment != "*" and each.environment not in order:
            what = f"grants a role in {each.environment!r}, which environments.order does not name. "
            problems.append(Problem(where, "auth.roles", what + suggestion(each.environment, order)))
    if found != AuthSettings():
        values["auth"] = found


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
        and variable not in _ELSEWHERE
        and not _SERVICE_LINK.fullmatch(variable)
    )
