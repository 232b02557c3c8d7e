"""The polls of Jenkins, Buildkite, CircleCI, Azure DevOps, Bitbucket, Gitea and Forgejo, each against a server that
answers in the shapes those APIs answer."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from app.domain.ci import CommitSeen, JobSeen, RunSeen
from app.domain.refusals import Absent, Broken, ClusterError, Denied, Throttled, Unauthorized
from app.ingest import Ingest
from app.live import Live
from app.sources.hooked import Hook, Hooked
from app.sources.hooks import PROVIDERS
from app.sources.hooks.port import Delivery
from app.sources.outbound import Outbound
from app.sources.polled import Polled
from app.sources.polls import POLLS, credential
from app.sources.polls.port import Memory
from app.store.inbox import Inbox, Letter
from app.store.tables import SOURCE
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SHA = "40c59264e73fc5e1a6cab192f1622d26b7bd5c2a"


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def millis(minutes: float) -> int:
    return int((NOW + timedelta(minutes=minutes)).timestamp() * 1000)


class Served:
    """A server: bodies by path (and, after " ", by what the query holds), one status for all while it is set."""

    def __init__(self, base: str = "") -> None:
        self.bodies: dict[str, Any] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.status, self.text = 200, ""
        self.asked: list[str] = []
        self.url, self.base = "", base
        self.sent: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        self.sent = dict(request.headers)
        if self.status != 200 or self.text:
            return web.Response(
                status=self.status,
                text=self.text,
                headers={"retry-after": "77"} if self.status == 429 else {},
            )
        query = request.query_string
        for name, body in self.bodies.items():
            path, _, part = name.partition(" ")
            if request.path == path and part in query:
                return web.json_response(body, headers=self.headers.get(name))
        return web.json_response({"message": "not found"}, status=404)


@asynccontextmanager
async def served(base: str = "") -> AsyncIterator[tuple[Served, Outbound]]:
    server, app = Served(base), web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    api = Outbound(server.url + base, {}, private=True)
    try:
        yield server, api
    finally:
        await api.close()
        await runner.cleanup()


def jenkins(server: Served) -> None:
    library = {
        "lastBuiltRevision": {"SHA1": "b" * 40},
        "remoteUrls": ["https://git.example.org/acme/lib.git"],
    }
    branch = [{"name": "refs/remotes/origin/main"}]
    ours = {
        "lastBuiltRevision": {"SHA1": SHA, "branch": branch},
        "remoteUrls": ["git@github.com:acme/cart.git"],
    }
    build = {"url": "https://ci.example.org/job/acme/job/cart/job/main/4/", "actions": [{}, library, ours]}
    builds = [
        {
            **build,
            "number": 4,
            "result": "UNSTABLE",
            "building": False,
            "timestamp": millis(-9),
            "duration": 30415,
        },
        {**build, "number": 5, "result": None, "building": True, "timestamp": millis(-2), "duration": 0},
        {**build, "number": 3, "result": "NOT_BUILD", "timestamp": millis(-60 * 48), "duration": 9},
        {**build, "number": 6, "result": "SUCCESS", "actions": [library], "timestamp": millis(-2)},
    ]
    job = {
        "fullName": "acme/cart/main",
        "url": "https://ci.example.org/job/acme/job/cart/job/main/",
        "builds": builds,
    }
    server.bodies["/jenkins/job/acme/api/json"] = {"_class": "Folder", "jobs": [{"jobs": [job]}, {}, None]}
    stage = {"id": "23", "name": "test", "startTimeMillis": millis(-9), "durationMillis": 12470}
    stages = [
        {**stage, "status": "SUCCESS"},
        {**stage, "id": "28", "name": "deploy", "status": "NOT_EXECUTED"},
    ]
    base = "/jenkins/job/acme/job/cart/job/main"
    server.bodies[f"{base}/4/wfapi/describe"] = {"status": "UNSTABLE", "stages": stages}
    server.bodies[f"{base}/5/wfapi/describe"] = {"status": "PAUSED_PENDING_INPUT", "stages": []}


def buildkite(server: Served) -> None:
    job = {"id": "b63254c0", "type": "script", "name": "unit", "state": "passed", "started_at": at(-8)}
    page = "https://buildkite.com/acme/cart/builds/1"
    pipeline = {"slug": "cart", "name": "Cart", "repository": "git@github.com:acme/cart.git"}
    build = {"id": "f62a1b4d", "number": 1, "web_url": page, "commit": SHA, "pipeline": pipeline}
    done = {
        **build,
        "state": "passed",
        "blocked": True,
        "created_at": at(-9),
        "finished_at": at(-5),
        "jobs": [job],
    }
    other = {**done, "id": "x", "pipeline": {**pipeline, "repository": "git@github.com:acme/other.git"}}
    path = "/v2/organizations/acme/builds"
    server.bodies[f"{path} page=2"] = [{**build, "id": "2", "state": "failing", "created_at": at(-4)}]
    server.bodies[path] = [other, done, "junk"]
    server.headers[path] = {"link": f'<{server.url}{path}?page=2>; rel="next"'}


def circleci(server: Served) -> None:
    git = {"origin_repository_url": "https://github.com/acme/cart", "revision": SHA, "branch": "main"}
    pipeline = {"id": "p1", "number": 3, "project_slug": "gh/acme/cart", "created_at": at(-9), "vcs": git}
    path = "/api/v2/project/gh/acme/cart/pipeline"
    server.bodies[f"{path} page-token=more"] = {
        "items": [{**pipeline, "id": "old", "created_at": at(-60 * 48)}]
    }
    server.bodies[path] = {"items": [pipeline, None], "next_page_token": "more"}
    flow = {
        "id": "w1",
        "name": "build",
        "project_slug": "gh/acme/cart",
        "pipeline_number": 3,
        "created_at": at(-9),
    }
    flows = [
        {**flow, "status": "failed", "stopped_at": at(-5)},
        {**flow, "id": "w2", "status": "on_hold", "stopped_at": ""},
    ]
    server.bodies["/api/v2/pipeline/p1/workflow"] = {"items": flows, "next_page_token": None}
    job = {"id": "j1", "name": "say-hello", "status": "failed", "started_at": at(-8), "stopped_at": at(-6)}
    server.bodies["/api/v2/workflow/w1/job"] = {"items": [job]}
    server.bodies["/api/v2/workflow/w2/job"] = {"items": []}


def azure(server: Served) -> None:
    project = {"id": "0d50ba13", "name": "shop"}
    build = {
        "id": 15,
        "status": "completed",
        "result": "partiallySucceeded",
        "queueTime": at(-9),
        "startTime": at(-8),
        "finishTime": at(-5),
        "definition": {"id": 5, "name": "cart"},
        "project": project,
        "sourceBranch": "refs/heads/main",
        "sourceVersion": SHA,
        "repository": {"id": "acme/cart", "type": "GitHub"},
        "lastChangedDate": at(-5),
    }
    path = "/acme/shop/_apis/build/builds"
    more = {**build, "id": 16, "status": "inProgress", "result": None, "finishTime": None}
    server.bodies[f"{path} continuationToken=two"] = {"count": 1, "value": [more]}
    other = {**build, "id": 17, "repository": {"id": "guid", "type": "TfsGit", "name": "other"}}
    server.bodies[path] = {"count": 2, "value": [build, other, []]}
    server.headers[path] = {"x-ms-continuationtoken": "two"}
    stage = {
        "id": "s",
        "parentId": None,
        "type": "Stage",
        "name": "deploy",
        "state": "completed",
        "result": "succeeded",
    }
    job = {
        "id": "j",
        "parentId": "p",
        "type": "Job",
        "name": "production",
        "state": "completed",
        "result": "failed",
    }
    phase = {"id": "p", "parentId": "s", "type": "Phase", "name": "production"}
    dates = {"startTime": "2026-11-25T11:52:36.8066667Z", "lastModified": "0001-01-01T00:00:00"}
    records = [{**stage, **dates}, phase, {**job, **dates, "workerName": "HostedAgent"}]
    server.bodies[f"{path}/15/timeline"] = {"records": records}


def bitbucket(server: Served) -> None:
    target = {"ref_name": "main", "commit": {"hash": SHA}}
    run = {
        "type": "pipeline",
        "uuid": "{d7bf8394}",
        "build_number": 10,
        "target": target,
        "created_on": at(-9),
    }
    done = {"name": "COMPLETED", "result": {"name": "SUCCESSFUL"}}
    halted = {"name": "IN_PROGRESS", "stage": {"name": "PAUSED"}}
    path = "/2.0/repositories/acme/cart/pipelines/"
    old = {**run, "build_number": 3, "state": done, "created_on": at(-60 * 48)}
    page2 = {
        "values": [{**run, "uuid": "{x}", "build_number": 9, "state": halted}, old],
        "next": f"{server.url}{path}?page=3",
    }
    server.bodies[f"{path} page=2"] = page2
    values = [{**run, "state": done, "completed_on": at(-5)}, 7]
    server.bodies[path] = {"values": values, "next": f"{server.url}{path}?page=2"}
    step = {"uuid": "{d464ab91}", "name": "Test", "started_on": at(-8), "completed_on": at(-6)}
    failed = {"name": "COMPLETED", "result": {"name": "FAILED"}}
    server.bodies[f"{path}{{d7bf8394}}/steps/"] = {"values": [{**step, "state": failed}]}


def gitea(server: Served) -> None:
    run = {"id": 7, "run_number": 3, "head_sha": SHA, "head_branch": "main", "path": "ci.yml@refs/heads/main"}
    done = {
        **run,
        "status": "completed",
        "conclusion": "success",
        "started_at": at(-9),
        "completed_at": at(-5),
    }
    fill = [{**done, "id": n} for n in range(100, 149)]
    path = "/api/v1/repos/acme/cart"
    server.bodies[path] = {"id": 12, "full_name": "acme/cart"}
    server.bodies[f"{path}/actions/runs page=2"] = {"workflow_runs": [{**run, "id": 8, "status": "waiting"}]}
    server.bodies[f"{path}/actions/runs"] = {"workflow_runs": [done, *fill]}
    job = {
        "id": 70,
        "run_id": 7,
        "name": "unit",
        "status": "completed",
        "conclusion": "failure",
        "started_at": at(-8),
    }
    server.bodies[f"{path}/actions/runs/7/jobs"] = {"jobs": [job]}


def forgejo(server: Served) -> None:
    run = {
        "id": 7,
        "title": "Fix",
        "workflow_id": "ci.yml",
        "index_in_repo": 3,
        "commit_sha": SHA,
        "prettyref": "main",
    }
    done = {
        **run,
        "status": "success",
        "created": at(-9),
        "started": at(-8),
        "stopped": at(-5),
        "updated": at(-5),
    }
    waits = {**run, "id": 8, "status": "blocked", "created": at(-4), "stopped": "1970-01-01T00:00:00Z"}
    path = "/api/v1/repos/acme/cart"
    server.bodies[path] = {"id": 12}
    server.bodies[f"{path}/actions/runs"] = {"workflow_runs": [done, waits]}


CASES = {
    # provider, base, its server, runs (id: phase/outcome), jobs (name: outcome)
    "jenkins": (
        "jenkins",
        "/jenkins/job/acme",
        jenkins,
        {"4": "done/partial", "5": "blocked/None"},
        {"test": "success", "deploy": "skipped"},
    ),
    "buildkite": (
        "buildkite",
        "/v2/organizations/acme",
        buildkite,
        {"f62a1b4d": "blocked/None", "2": "running/None"},
        {"unit": "success"},
    ),
    "circleci": (
        "circleci",
        "/api/v2",
        circleci,
        {"w1": "done/failure", "w2": "blocked/None"},
        {"say-hello": "failure"},
    ),
    "azure": (
        "azure",
        "/acme/shop",
        azure,
        {"15": "done/partial", "16": "running/None"},
        {"deploy": "success", "production": "failure"},
    ),
    "bitbucket": (
        "bitbucket",
        "/2.0",
        bitbucket,
        {"pipeline-10": "done/success", "pipeline-9": "blocked/None"},
        {"Test": "failure"},
    ),
    "gitea": ("gitea", "/api/v1", gitea, {"7": "done/success", "8": "blocked/None"}, {"unit": "failure"}),
    "forgejo": ("gitea", "/api/v1", forgejo, {"7": "done/success", "8": "blocked/None"}, {}),
}


def repo(name: str) -> str:
    return {"bitbucket": "bitbucket.org", "gitea": "git.example.org"}.get(
        CASES[name][0], "github.com"
    ) + "/acme/cart"


@pytest.mark.parametrize("name", CASES)
async def test_what_an_api_tells_is_read_on_every_page_and_asked_for_once(name):
    provider, base, fill, runs, jobs = CASES[name]
    async with served(base) as (server, api):
        fill(server)
        memory, since = Memory(), NOW - timedelta(hours=26)
        found = await POLLS[provider](api, memory, repo(name), since, NOW)
        looks: dict[str, RunSeen] = {}
        for fact in found.facts:
            filler = isinstance(fact, RunSeen) and fact.run.isdigit() and int(fact.run) >= 100
            if not isinstance(fact, RunSeen) or filler:
                continue
            if fact.run not in looks or looks[fact.run].mark < fact.mark:
                looks[fact.run] = fact
        told = {run: f"{s.phase}/{s.outcome}" for run, look in looks.items() if (s := look.status)}
        assert told == runs
        assert {look.sha for look in looks.values()} == {SHA}
        assert {look.repo for look in looks.values()} == {repo(name)}
        names = {j.name: str(j.status.outcome) for j in found.facts if isinstance(j, JobSeen) and j.status}
        assert names == jobs
        keys = {look.key for look in looks.values()}
        assert {job.run for job in found.facts if isinstance(job, JobSeen)} <= keys, "jobs hang on their runs"
        first = len(server.asked)
        await POLLS[provider](api, memory, repo(name), since, NOW)
        assert len(server.asked) - first < first or name in ("buildkite", "forgejo"), (
            "details are asked for once"
        )


@pytest.mark.parametrize("name", CASES)
async def test_an_api_that_refuses_is_told_by_what_it_says(name):
    provider, base, fill, *_ = CASES[name]
    refusals: list[tuple[int, str, type[ClusterError]]] = [
        (401, "", Unauthorized),
        (403, "", Denied),
        (404, "", Absent),
        (429, "", Throttled),
        (200, "<html>sign in", Broken),
    ]
    async with served(base) as (server, api):
        for server.status, server.text, kind in refusals:
            with pytest.raises(kind) as caught:
                await POLLS[provider](api, Memory(), repo(name), NOW - timedelta(hours=26), NOW)
            if isinstance(caught.value, Throttled):
                assert caught.value.retry_after == 77
        fill(server)
        server.status = 200
        for server.text in (
            "[]",
            "{}",
            '[[],{"jobs":3,"builds":{},"items":"x","value":[1],"values":null}]',
            "7",
        ):
            found = await POLLS[provider](api, Memory(), repo(name), NOW - timedelta(hours=26), NOW)
            assert found.facts == (), "JSON of another shape tells nothing and stops nothing"


@pytest.mark.parametrize("name", CASES)
async def test_silent_webhooks_are_told_for_every_provider(name, database_url):
    provider, base, fill, *_ = CASES[name]
    async with served(base) as (server, api), opened(database_url) as database:
        fill(server)
        inbox, ingest = Inbox(database), Ingest(database, Live())
        hook = Hook("acme", provider, (repo(name),))
        hooked = Hooked(inbox, ingest, [hook], clock=lambda: NOW)
        await inbox.put(Letter("acme", provider, "", "p", {}, b"{}", NOW - timedelta(hours=1)))
        await Polled(hook, api, ingest, database, inbox, hooked, clock=lambda: NOW).round()
        await hooked.report()
        async with database.reading() as connection:
            (row,) = list(await connection.execute(select(SOURCE)))
        assert row.message.startswith("Webhooks silent since 2026-11-25 11:00 UTC: polling found ")


async def test_webhook_and_poll_tell_of_one_run():
    plugin = {
        "name": "main",
        "url": "job/acme/job/cart/job/main/",
        "build": {
            "full_url": "https://ci.example.org/job/acme/job/cart/job/main/4/",
            "number": 4,
            "phase": "STARTED",
            "timestamp": millis(-9),
            "scm": {"url": "git@github.com:acme/cart.git", "commit": SHA},
        },
    }
    workflow = {
        "type": "workflow-completed",
        "project": {"slug": "github/acme/cart"},
        "workflow": {"id": "w1", "status": "failed"},
        "pipeline": {"vcs": {"origin_repository_url": "https://github.com/acme/cart"}},
    }
    status = {
        "repository": {"links": {"html": {"href": "https://bitbucket.org/acme/cart"}}},
        "commit_status": {
            "key": "1",
            "state": "INPROGRESS",
            "url": "https://bitbucket.org/acme/cart/addon/pipelines/home#!/results/10",
            "commit": {"hash": SHA},
        },
    }
    azure_build = {
        "eventType": "build.complete",
        "resourceContainers": {"project": {"id": "0d50ba13"}},
        "resource": {"id": 15, "status": "completed", "result": "failed"},
    }
    hooks = {
        "jenkins": ("", plugin),
        "circleci": ("", workflow),
        "bitbucket": ("repo:commit_status_created", status),
        "azure": ("", azure_build),
    }
    for name, (event, body) in hooks.items():
        told = PROVIDERS[name].read(Delivery(event, body, {}, NOW, repo(name))).facts
        _, base, fill, *_ = CASES[name]
        async with served(base) as (server, api):
            fill(server)
            found = await POLLS[name](api, Memory(), repo(name), NOW - timedelta(hours=26), NOW)
        (run,) = (fact.key for fact in told if isinstance(fact, RunSeen))
        assert run in {fact.key for fact in found.facts}, name


async def test_commits_of_merged_pull_requests_are_told_with_what_they_landed_as():
    change = {"number": 7, "merged_at": at(-9), "merge_commit_sha": SHA, "created_at": at(-90)}
    async with served() as (server, api):
        path = "/repos/acme/cart"
        server.bodies[f"{path}/actions/runs"] = {"workflow_runs": []}
        server.bodies[f"{path}/pulls"] = [change, {**change, "number": 8, "merged_at": None}]
        inner = {"message": "Step\n\nmore", "author": {"name": "Bob"}, "committer": {"date": at(-60)}}
        commits = [{"sha": letter * 40, "commit": inner, "author": None} for letter in "ab"]
        server.bodies[f"{path}/pulls/7/commits"] = commits
        memory = Memory()
        found = (
            await POLLS["github"](api, memory, "github.com/acme/cart", NOW - timedelta(hours=26), NOW)
        ).facts
        seen = [each for each in found if isinstance(each, CommitSeen)]
        told = [(each.sha[0], each.landed, each.change, each.title, each.author) for each in seen]
        assert told == [(letter, SHA, "7", "Step", "Bob") for letter in "ab"]
        again = await POLLS["github"](api, memory, "github.com/acme/cart", NOW - timedelta(hours=26), NOW)
        assert again.facts == ()


async def test_circleci_project_that_no_repository_names_is_taken_from_the_address():
    async with served("/api/v2/project/circleci/org-id/cart-id") as (server, api):
        server.bodies["/api/v2/project/circleci/org-id/cart-id/pipeline"] = {"items": []}
        await POLLS["circleci"](api, Memory(), "gitlab.com/acme/cart", NOW, NOW)
    async with served("/api/v2") as (_, api):
        with pytest.raises(ClusterError, match=r"poll\.url"):
            await POLLS["circleci"](api, Memory(), "gitlab.com/acme/cart", NOW, NOW)


def test_credentials_are_sent_as_each_api_takes_them():
    basic = {"authorization": f"Basic {base64.b64encode(b'me:t').decode()}"}
    assert credential("jenkins", "me:t") == credential("bitbucket", "me:t") == basic
    assert credential("azure", "t") == {"authorization": f"Basic {base64.b64encode(b':t').decode()}"}
    assert credential("circleci", "t") == {"circle-token": "t"}
    assert credential("buildkite", "t") == {"authorization": "Bearer t"}
    assert credential("github", "") == {}
