"""`shipboard report` and `upload`: what a CI tells a board of its runs, and the reports it gives it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from .say import expected


def report(
    status: Annotated[
        str, typer.Argument(help="queued, blocked, running, success, partial, failure, error …")
    ],
    url: Annotated[str, typer.Option(envvar="SHIPBOARD_URL", help="The board's address.")],
    hook: Annotated[str, typer.Option(envvar="SHIPBOARD_HOOK", help="Id of its hook of provider generic.")],
    secret: Annotated[
        str,
        typer.Option(envvar="SHIPBOARD_HOOK_SECRET", help="The hook's secret (whsec_…); rather by variable."),
    ],
    repository: Annotated[
        str, typer.Option(help="Host and path. Like the next ones taken from CI's variables.")
    ] = "",
    run: Annotated[str, typer.Option(help="Id of the run.")] = "",
    attempt: Annotated[int, typer.Option(min=0, help="Which attempt at it.")] = 0,
    pipeline: Annotated[str, typer.Option(help="Name of the pipeline.")] = "",
    sha: Annotated[str, typer.Option(help="The whole commit id.")] = "",
    branch: Annotated[str, typer.Option(help="The branch.")] = "",
    link: Annotated[str, typer.Option(help="Address of the run.")] = "",
    job: Annotated[list[str] | None, typer.Option(help="NAME=STATUS of a job; repeatable.")] = None,
    image: Annotated[
        list[str] | None, typer.Option(help="NAME:TAG@sha256:… of an image that was built; repeatable.")
    ] = None,
    environment: Annotated[str, typer.Option(help="Where the run deployed to, with this very status.")] = "",
) -> None:
    """Tell a board of a run of any CI: POST /api/v1/pipelines, signed."""
    from .report import Board, artifact, composed, jobs, send

    with expected():
        given = {
            "repository": repository,
            "run": run,
            "attempt": attempt,
            "pipeline": pipeline,
            "sha": sha,
            "branch": branch,
            "url": link,
            "jobs": jobs(job or ()),
            "artifacts": [artifact(each) for each in image or ()],
            "deployment": {"environment": environment, "status": status} if environment else {},
        }
        send(Board(url, hook, secret), composed(status, given, os.environ, datetime.now(UTC)))
    typer.echo("The board has it.")


def upload(
    file: Annotated[list[Path], typer.Argument(help="Reports: JUnit, TAP, CTRF, SARIF, Trivy, Grype, …")],
    url: Annotated[str, typer.Option(envvar="SHIPBOARD_URL", help="The board's address.")],
    token: Annotated[
        str, typer.Option(envvar="SHIPBOARD_TOKEN", help="A token that may report; rather by variable.")
    ],
    kind: Annotated[str, typer.Option(help="junit, tap, ctrf, sarif, …; auto finds out.")] = "auto",
    repo: Annotated[str, typer.Option(help="Repository. Like the next ones taken from CI's variables.")] = "",
    sha: Annotated[str, typer.Option(help="The whole commit id.")] = "",
    branch: Annotated[str, typer.Option(help="The branch.")] = "",
    job: Annotated[str, typer.Option(help="The job that made the reports.")] = "",
    digest: Annotated[str, typer.Option(help="The image that a scan or signature is of, sha256:….")] = "",
) -> None:
    """Give reports of tests, scans, bills of materials and signatures to a board."""
    from .upload import about, content_of, send, summary

    with expected():
        given = {"repo": repo, "sha": sha, "branch": branch, "job": job, "digest": digest}
        for each in file:
            line = send(url, token, kind, about(given, os.environ), content_of(each))
            typer.echo(f"{each}: {summary(line)}")
