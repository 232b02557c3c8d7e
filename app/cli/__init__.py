"""The command line: demo, serve, check, config, user, token, kiosk, act, audit, notify, report, upload,
version.

Exit codes: 0 all is well, or ended by a signal; 1 it could not start, or `check` found something to mend; 2
the command line or the settings are wrong.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

import typer
import yaml

from app import __version__
from app.settings import VARIABLES, ClusterSettings, HookSettings, load

from . import acting, auditing, ci, gating, notifying, people, tokens
from .choose import (
    Config,
    Storage,
    make_home,
    refuse_remote,
    refuse_unknown_contexts,
    refuse_without_clusters,
    settings_from,
)
from .personas import DEMO, signing
from .say import FAILED, expected

cli = typer.Typer(
    help="The board a team watches while software ships.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 well, or ended by a signal; 1 could not start, or check found something to mend; "
    f"2 wrong command line or settings. Variables: SHIPBOARD_CONFIG, {', '.join(VARIABLES)}.",
)

cli.add_typer(people.users, name="user")
cli.add_typer(tokens.api_tokens, name="token")
cli.add_typer(tokens.kiosks, name="kiosk")
cli.add_typer(auditing.audit, name="audit")
cli.add_typer(notifying.notify, name="notify")
for command in (
    acting.act, ci.report, ci.upload, gating.gates, gating.approve, gating.reject, gating.wait
):  # fmt: skip
    cli.command()(command)

Contexts = Annotated[
    list[str] | None, typer.Option("--context", help="Kubeconfig context to watch; repeatable.")
]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="Kubeconfig file (default: KUBECONFIG or ~/.kube/config).")
]
InCluster = Annotated[bool, typer.Option("--in-cluster", help="Watch the cluster this process runs in.")]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", help="Namespace to watch where not all may be listed; repeatable."),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on (default: 127.0.0.1).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (default: 8000).")]
Remote = Annotated[
    bool,
    typer.Option(
        "--allow-remote-without-login",
        help="Listen where other machines reach it, though nobody is asked who they are: all may look, none act.",
    ),
]


Fresh = Annotated[
    bool,
    typer.Option("--new-database", help="Begin with an empty SQLite file where there used to be one."),
]


@cli.command()
def serve(
    context: Contexts = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    namespace: Namespaces = None,
    database: Storage = None,
    host: Host = None,
    port: Port = None,
    config: Config = None,
    allow_remote_without_login: Remote = False,
    new_database: Fresh = False,
) -> None:
    """The board of real clusters: those named here, else those of the settings, else kubectl's current
    one."""
    with expected():
        settings = settings_from(
            config,
            contexts=context,
            kubeconfig=kubeconfig,
            in_cluster=in_cluster,
            namespaces=namespace,
            database=database,
            host=host,
            port=port,
        )
        refuse_without_clusters(settings)
        refuse_unknown_contexts(settings, os.environ)
        refuse_remote(settings, allow_remote_without_login)
        make_home(settings)

        from app.web.server import open_port

        from .serving import address, serve

        opened = open_port(settings.host, settings.port)

        def started() -> None:
            typer.echo(f"Shipboard is at {address(settings, opened)}", err=True)
            if not settings.loopback and not settings.auth.modes:
                typer.echo(
                    "It asks nobody for a login: whoever reaches this address sees the board, and nobody acts.",
                    err=True,
                )

        serve(settings, opened, started=started, new_database=new_database)


@cli.command()
def demo(host: Host = None, port: Port = None, database: Storage = None) -> None:
    """The board on an embedded cluster with a small fleet that ships. Needs nothing, and leaves nothing
    behind."""
    with expected(), ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shipboard-demo-")))
        given = {"host": host, "port": port, "database": database or str(home / "shipboard.db")}
        overrides = {name: value for name, value in given.items() if value is not None}
        settings = replace(load(None, {}, home, overrides), drain_seconds=0.0, **DEMO)
        refuse_remote(settings, allowed=False, demo=True)

        from app.web.server import PortRefused, open_port

        from .demo import HOOK, EmbeddedCluster
        from .serving import address, serve

        try:
            opened = open_port(settings.host, settings.port)
        except PortRefused as refused:
            if port is not None or not refused.taken:
                raise
            opened = open_port(settings.host, 0)
            typer.echo(f"Port {settings.port} is taken, so this is on another.", err=True)
        stack.enter_context(opened)
        secret, gates, own = token_urlsafe(32), token_urlsafe(32), address(settings, opened)
        token = tokens.token_of_ci("the demo's CI", settings)
        key, rules = signing()
        cluster = stack.enter_context(EmbeddedCluster(home / "kubeconfig", own, secret, token, gates, key))
        hook = HookSettings(HOOK, "github", repositories=("github.com/acme/*",), secrets=(secret,))
        watched = ClusterSettings("demo", cluster.kubeconfig, cluster.context)
        settings = replace(settings, clusters=(watched,), hooks=(hook,), flagger_secret=gates, signing=rules)

        def started() -> None:
            typer.echo(
                f"""
Shipboard is at   {address(settings, opened)}
What it shows     a small fleet on an embedded Kubernetes API, on this machine only; it ships by itself
Who you are       choose at the top right: Vera looks on, Omar operates, Ada approves and administers
The same fleet    kubectl --kubeconfig {cluster.kubeconfig} get deployments -A
Its database      --database {settings.database}, as in: shipboard audit verify --database …
Your own cluster  shipboard serve --context NAME    (may it? shipboard check --context NAME)
Ctrl-C            ends all of it{"" if database else " and keeps nothing"}
"""
            )

        async def watch() -> None:
            code = await cluster.ended()
            typer.echo(
                f"The embedded cluster ended (exit code {code}). The board keeps what it saw last and says "
                "how old it is. To start afresh: Ctrl-C, then shipboard demo.",
                err=True,
            )
            await asyncio.Event().wait()

        serve(settings, opened, started=started, work={"embedded cluster": watch}, quiet=True)


@cli.command()
def check(
    context: Contexts = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    namespace: Namespaces = None,
    database: Storage = None,
    config: Config = None,
) -> None:
    """Whether the board could run: settings, database, and what each cluster permits. Changes nothing
    there."""
    with expected():
        settings = settings_from(
            config,
            contexts=context,
            kubeconfig=kubeconfig,
            in_cluster=in_cluster,
            namespaces=namespace,
            database=database,
        )
        refuse_without_clusters(settings)
        make_home(settings)

        from .checking import report

        well = asyncio.run(report(settings, typer.echo))
    raise typer.Exit(0 if well else FAILED)


@cli.command()
def config(
    file: Annotated[Path | None, typer.Option("--config", help="As for serve.")] = None,
    context: Contexts = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
) -> None:
    """The settings in force, in the form of the settings file, without passwords."""
    with expected():
        settings = settings_from(file, contexts=context, kubeconfig=kubeconfig, in_cluster=in_cluster)
    origin = settings.file or "no file, so these are the defaults,"
    typer.echo(f"# from {origin} with SHIPBOARD_* and this command line")
    for warning in settings.warnings:
        typer.echo(f"# {warning}")
    typer.echo(yaml.safe_dump(settings.as_file(), sort_keys=False, allow_unicode=True), nl=False)


@cli.command()
def version() -> None:
    """The version."""
    typer.echo(f"shipboard {__version__}")


def main() -> None:
    """Entry point of the `shipboard` command."""
    cli(prog_name="shipboard")
