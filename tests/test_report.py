"""`shipboard report` tells a board of a run, from what CI says of itself, signed."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from app.cli.report import Board, NotReported, artifact, composed, jobs, send
from app.sources.hooks import PROVIDERS, Delivery
from app.sources.hooks.verify import Signed, proven
from tests.sources.hooks.signing import secret_of

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SHA = "e" * 40
ENVIRONS = {
    "github": {
        "GITHUB_REPOSITORY": "acme/cart",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_RUN_ID": "812",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_WORKFLOW": "CI",
        "GITHUB_SHA": SHA,
    },
    "gitlab": {
        "CI_PROJECT_URL": "https://github.com/acme/cart",
        "CI_PIPELINE_ID": "812",
        "CI_COMMIT_SHA": SHA,
    },
    "jenkins": {"GIT_URL": "git@github.com:acme/cart.git", "BUILD_NUMBER": "812", "GIT_COMMIT": SHA},
}


@pytest.mark.parametrize("ci", ENVIRONS)
def test_report_is_composed_of_what_ci_says_of_itself(ci) -> None:
    report = composed("success", {}, ENVIRONS[ci], NOW)
    facts = PROVIDERS["generic"].read(Delivery("", report, {}, NOW)).facts
    run: Any = facts[0]
    assert (run.repo, run.run, run.sha, run.status.outcome) == ("github.com/acme/cart", "812", SHA, "success")
    assert run.attempt == (2 if ci == "github" else 1)


def test_options_come_before_variables_and_make_jobs_images_and_a_deployment() -> None:
    given = {
        "run": "9",
        "jobs": jobs(["unit tests=failure", "a=b=success"]),
        "artifacts": [artifact("ghcr.io/acme/cart:1.2@sha256:" + "a" * 64)],
        "deployment": {"environment": "staging", "status": "failure"},
        "branch": "",
    }
    report = composed("failure", given, ENVIRONS["github"], NOW)
    kinds = [type(fact).__name__ for fact in PROVIDERS["generic"].read(Delivery("", report, {}, NOW)).facts]
    assert report["run"] == "9"
    assert kinds == ["RunSeen", "CommitSeen", "JobSeen", "JobSeen", "ArtifactSeen", "DeploymentSeen"]


def test_what_cannot_be_reported_is_said() -> None:
    for wrong in (lambda: jobs(["unit"]), lambda: artifact("cart:1")):
        with pytest.raises(NotReported):
            wrong()
    with pytest.raises(NotReported, match="no base64"):
        send(Board("http://127.0.0.1:1", "h", "whsec_!"), {})
    with pytest.raises(NotReported, match="neither"):
        send(Board("file:///etc", "h", secret_of("generic")), {})


async def test_report_is_signed_and_sent_again_while_the_board_is_away():
    taken: list[Any] = []
    answers = [503, 202, 422]

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): [value] for name, value in request.headers.items()}
        fine = proven(
            PROVIDERS["generic"].schemes,
            Signed(headers, body, body),
            [secret_of("generic")],
            datetime.now(UTC),
        )
        taken.append((fine, headers["webhook-id"], json.loads(body), request.headers["shipboard-hook"]))
        return web.json_response({"detail": "Its `status` is odd."}, status=answers[len(taken) - 1])

    app = web.Application()
    app.router.add_post("/api/v1/pipelines", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    board = Board(f"http://127.0.0.1:{runner.addresses[0][1]}/", "mine", secret_of("generic"))
    try:
        await asyncio.to_thread(send, board, {"run": "1"}, pause=0.0)
        assert [(fine, body, hook) for fine, _, body, hook in taken] == [(True, {"run": "1"}, "mine")] * 2
        assert taken[0][1] == taken[1][1], "the same message"
        with pytest.raises(NotReported, match="status"):
            await asyncio.to_thread(send, board, {"run": "1"})
    finally:
        await runner.cleanup()
