"""Where settings come from, in order: command line, environment, file, defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.delivery import lint

from . import images
from .auth import AuthSettings, Mode, Secret
from .hooks import HookSettings
from .model import Settings, is_loopback
from .notify import NotifySettings
from .problems import Problem, SettingsRefused, suggestion
from .reader import read
from .scalars import Scalar
from .shape import SHAPE, VARIABLES

FILE = "shipboard.yaml"

_ELSEWHERE = frozenset({"SHIPBOARD_FAILPOINT", "SHIPBOARD_URL", "SHIPBOARD_TOKEN", "SHIPBOARD_PASSWORD"})
"""Variables of other parts: `shipboard act` and the tests."""
# Kubernetes tells every pod of the Services in its namespace; one called "shipboard" looks like our settings.
_SERVICE_LINK = re.compile(r"SHIPBOARD_(SERVICE_(HOST|PORT)(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")


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
    values["notify"], silent = values.get("notify", NotifySettings()).opened(environ, base)
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
