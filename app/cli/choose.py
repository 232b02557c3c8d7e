"""From what the command line says to settings: which file, which clusters, and may it be reached from
elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.settings import ClusterSettings, Settings, load
from app.settings.clusters import contexts, current_context, found, kubeconfig_files
from app.settings.load import default_database

from .say import WRONG, refuse

Config = Annotated[
    Path | None, typer.Option(help="Settings file (default: ./shipboard.yaml, if it is there).")
]
Storage = Annotated[str | None, typer.Option("--database", help="SQLite file or postgresql:// URL.")]


def settings_from(
    config: Path | None,
    *,
    contexts: list[str] | None = None,
    kubeconfig: Path | None = None,
    in_cluster: bool = False,
    namespaces: list[str] | None = None,
    environ: Mapping[str, str] | None = None,
    **scalars: object,
) -> Settings:
    """Settings with the clusters to watch: those the command line names, else the file's, else kubectl's own
    choice.

    Raises SettingsRefused. No cluster is a result, since `config` shows that too.
    """
    environ = os.environ if environ is None else environ
    if in_cluster and (contexts or kubeconfig):
        refuse("--in-cluster goes with neither --context nor --kubeconfig.", code=WRONG)
    overrides = {name: value for name, value in scalars.items() if value is not None}
    if named := _named(contexts or [], kubeconfig, in_cluster, environ):
        overrides["clusters"] = named
    settings = load(config, environ, Path.cwd(), overrides)
    if not settings.clusters:
        settings = replace(settings, clusters=found(environ, kubeconfig))
    if namespaces:
        chosen = tuple(replace(c, namespaces=tuple(namespaces)) for c in settings.clusters)
        settings = replace(settings, clusters=chosen)
    return settings


def _named(
    contexts: list[str], kubeconfig: Path | None, in_cluster: bool, environ: Mapping[str, str]
) -> tuple[ClusterSettings, ...]:
    if in_cluster:
        return (ClusterSettings("in-cluster", in_cluster=True),)
    if kubeconfig and not contexts:
        current = current_context(kubeconfig_files(environ, kubeconfig))
        if not current:
            refuse(
                f"{kubeconfig} names no current context, or cannot be read.",
                todo="Name one with --context, or choose another file.",
                code=WRONG,
            )
        contexts = [current]
    return tuple(ClusterSettings(name, kubeconfig, name) for name in contexts)


def make_home(settings: Settings) -> None:
    """Make the directory of the default database; a missing one that was asked for may be a volume not
    mounted."""
    if settings.database == default_database(os.environ):
        home = Path(settings.database.partition(":///")[2]).parent
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            what = f"The directory {home} cannot be made."
            refuse(what, f"{error.strerror}.", "Name another place for the database with --database.")


def refuse_without_clusters(settings: Settings) -> None:
    """End here when there is no cluster to watch: an empty board would look like a quiet one."""
    if not settings.clusters:
        refuse(
            "There is no cluster to watch.",
            "No settings name one, no kubeconfig has a current context, and this is no pod that has one.",
            "Try `shipboard demo`, or name a context: `shipboard serve --context NAME`.",
            WRONG,
        )


def refuse_unknown_contexts(settings: Settings, environ: Mapping[str, str]) -> None:
    """End here when a cluster is to be found by a context that no kubeconfig has: waiting will not make one."""
    for cluster in settings.clusters:
        files = kubeconfig_files(environ, cluster.kubeconfig)
        known, where = contexts(files), ", ".join(map(str, files))
        if cluster.in_cluster or not cluster.context or cluster.context in known:
            continue
        refuse(
            f"There is no context {cluster.context!r} in {where}.",
            f"It has: {', '.join(known[:20])}."
            if known
            else "It is not there, cannot be read, or has no contexts.",
            "Name one of them by --context, or another file by --kubeconfig or KUBECONFIG.",
            WRONG,
        )


def refuse_remote(settings: Settings, allowed: bool, *, demo: bool = False) -> None:
    """End here when other machines could reach a board that asks nobody who they are, unless that was
    `allowed`."""
    todo = (
        "Leave the demo on 127.0.0.1 (the default)."
        if demo
        else "Say in the settings how people sign in (auth: {modes: [local]}; docs/shipboard.yaml has all of it), "
        "or listen on 127.0.0.1 (the default). With --allow-remote-without-login everybody may look, and nobody act."
    )
    if not settings.loopback and not allowed and not settings.auth.modes:
        refuse(
            f"Shipboard asks nobody who they are, so it does not listen on {settings.host}.",
            "Everyone who reaches that address would see what you ship.",
            todo,
            WRONG,
        )
