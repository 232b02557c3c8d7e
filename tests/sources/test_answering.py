"""What waits in GitHub and GitLab becomes a gate, and its answer is brought there: once it counts, as often as it
takes; what a yes starts is started once."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from app.domain.delivery import Delivery, Rules
from app.domain.evidence import Evidence
from app.domain.forges import CallPhase, Dispatch
from app.domain.gates import Answer, Gate, GatePhase, Origin, Subject, Version
from app.domain.people import EVERYWHERE, SYSTEM, Principal, PrincipalKind, Role
from app.domain.repositories import Ships
from app.ingest import Ingest
from app.live import Live
from app.perform import Ballot, Freezer, Gatekeeper, Gates, Perform, cast_ballot
from app.perform import Rules as Holds
from app.perform.asking import Question
from app.sources.answering import Answering
from app.sources.asked import Asker, Naming
from app.sources.forges import Forge
from app.sources.hooked import Hook, Hooked
from app.sources.outbound import Outbound
from app.store import gates as kept
from app.store.inbox import Inbox, Letter
from tests.databases import fresh
from tests.sources.forge_server import ForgeServer, forge_server
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SHA = "c" * 40
KEY = RSAKey.generate_key(2048)
PEM = KEY.as_pem(private=True).decode()
VERA = Principal(
    PrincipalKind.PERSON, "local", "vera", "Vera", roles={EVERYWHERE: frozenset({Role.APPROVER})}
)
RULES = Rules("production", four_eyes=False)
REPOSITORY = {"id": 5, "html_url": "https://github.com/acme/cart", "full_name": "acme/cart"}
RULE_ASKED = {
    "action": "requested",
    "environment": "prod",
    "event": "push",
    "deployment_callback_url": "https://evil.example/x/actions/runs/4711/deployment_protection_rule",
    "deployment": {"id": 8, "sha": SHA, "ref": "v2.8.0", "creator": {"login": "octocat"}},
    "installation": {"id": 42},
    "repository": REPOSITORY,
}
PROJECT = {"id": 7, "web_url": "https://git.example/acme/cart"}
BLOCKED = {
    "object_kind": "deployment",
    "status": "blocked",
    "status_changed_at": "2026-11-25 12:00:00 +0000",
    "deployment_id": 15,
    "deployable_id": 796,
    "deployable_url": "https://git.example/acme/cart/-/jobs/796",
    "environment": "production",
    "project": PROJECT,
    "ref": "main",
    "commit_url": f"https://git.example/acme/cart/-/commit/{SHA}",
    "user": {"username": "tom"},
}


def pipeline(status: str, environment: str = "production") -> Any:
    about = {
        "id": 31,
        "sha": SHA,
        "ref": "main",
        "status": "manual",
        "url": f"{PROJECT['web_url']}/-/pipelines/31",
    }
    job = {
        "id": 796,
        "name": "ship",
        "stage": "deploy",
        "status": status,
        "environment": {"name": environment},
    }
    return {"object_kind": "pipeline", "object_attributes": about, "project": PROJECT, "builds": [job]}


def ended(run: int, minute: int) -> Any:
    at = (NOW + timedelta(minutes=minute)).isoformat()
    about = {"id": run, "run_attempt": 1, "head_sha": SHA, "status": "completed", "conclusion": "cancelled"}
    return {
        "workflow_run": about | {"created_at": NOW.isoformat(), "updated_at": at},
        "repository": REPOSITORY,
    }


class Desk:
    """Webhooks in, gates, and the way out to one forge, worked by hand and by a clock of the test's own."""

    def __init__(self, database: Any, server: ForgeServer, provider: str, **credential: str) -> None:
        self.now, self.provider, self.server = NOW, provider, server
        live = Live()
        freezer = Freezer(Delivery(("production",), {"production": RULES}))
        self.gates = Gates(database, live, freezer, self._gather, lambda: self.now)
        self.keeper = Gatekeeper(self.gates, Perform(database, live, {}, Holds(), lambda: self.now), {}, live)
        scope = (f"{'github.com' if provider == 'github' else 'git.example'}/acme/*",)
        asker = Asker(
            self.gates, {"acme": Naming({"prod": "production"})}, [Ships("*/acme/cart", ("pricing",))]
        )
        self.inbox = Inbox(database)
        self.hooked = Hooked(
            self.inbox,
            Ingest(database, live),
            [Hook("acme", provider, scope)],
            asker=asker,
            clock=lambda: self.now,
        )
        forge = Forge(provider, Outbound(server.url, private=True), **credential)
        self.answering = Answering(self.gates, {"acme": (forge, scope)}, "https://ship.example")
        self.serial = 0

    async def _gather(self, gate: Gate) -> Evidence:
        return Evidence()

    async def come(self, event: str, body: Any) -> None:
        self.serial += 1
        content = json.dumps(body | {"serial": self.serial}).encode()
        await self.inbox.put(Letter("acme", self.provider, event, f"d{self.serial}", {}, content, self.now))
        await self.hooked.work()

    async def all(self) -> list[Gate]:
        async with self.gates.database.reading() as connection:
            return await kept.answered(connection, "")

    async def only(self) -> Gate:
        (gate,) = await self.all()
        return gate

    async def say(self, answer: Answer = Answer.APPROVE, reason: str = "looks good") -> None:
        gate = await self.only()
        await cast_ballot(self.gates, gate.id, Ballot(answer, gate.digest, reason), VERA)
        await self.keeper.round()

    async def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)
        await self.answering.round()


@asynccontextmanager
async def desk(directory: Any, provider: str, **credential: str) -> AsyncIterator[Desk]:
    async with opened(fresh(directory)) as database, forge_server() as server:
        here = Desk(database, server, provider, **credential)
        yield here
        await here.answering.close()


async def test_protection_rule_raises_one_gate_and_github_is_told_by_the_app(tmp_path):
    async with desk(tmp_path, "github", app="321", key=PEM) as here:
        await here.come("deployment_protection_rule", RULE_ASKED)
        await here.come("deployment_protection_rule", RULE_ASKED)
        gate = await here.only()
        subject = gate.subject
        assert (gate.origin, subject.service, subject.environment) == (Origin.FORGE, "pricing", "production")
        assert (subject.question, subject.commit) == ("May v2.8.0 go to production?", SHA)
        assert subject.starter == "octocat@users.noreply.github.com"
        await here.later()
        assert here.server.asked == [], "nothing is said before it is decided"
        await here.say()
        await here.later()
        assert [path for _, path, _ in here.server.asked] == [
            "/app/installations/42/access_tokens",
            "/repos/acme/cart/actions/runs/4711/deployment_protection_rule",
        ]
        own = jwt.decode(here.server.bearers[0].removeprefix("Bearer "), KEY, algorithms=["RS256"]).claims
        assert (own["iss"], own["exp"] - own["iat"] <= 600) == ("321", True)
        assert here.server.bearers[1] == "Bearer ghs_42"
        comment = f"Approved by Vera via Shipboard: looks good (https://ship.example/gates/{gate.id})"
        said = here.server.said("/deployment_protection_rule")
        assert said == [{"environment_name": "prod", "state": "approved", "comment": comment}]
        after = await here.only()
        assert after.phase is GatePhase.EXECUTED
        assert after.told
        assert (after.told.phase, after.told.told_at) == (CallPhase.TOLD, NOW)
        await here.later(days=1)
        assert len(here.server.asked) == 2, "an answer that was taken is not given again"


@pytest.mark.parametrize(("answer", "state"), [(Answer.REJECT, "rejected"), (None, "rejected")])
async def test_no_and_no_answer_in_time_are_a_no_for_github(tmp_path, answer, state):
    async with desk(tmp_path, "github", token="t0ken") as here:
        await here.come("deployment_protection_rule", RULE_ASKED)
        if answer:
            await here.say(answer, "too risky")
        else:
            here.now += RULES.expires
            await here.keeper.round()
        await here.later()
        (body,) = here.server.said("/deployment_protection_rule")
        assert body["state"] == state
        assert ("too risky" in body["comment"]) is bool(answer)
        assert here.server.bearers == ["Bearer t0ken"]
        assert (await here.only()).phase is (GatePhase.REJECTED if answer else GatePhase.EXPIRED)


async def test_forge_that_is_away_is_told_later_and_the_gate_says_how_it_stands(tmp_path):
    async with desk(tmp_path, "github", token="t") as here:
        here.server.instead["protection_rule"] = [(503, {}), (429, {"retry-after": "90"}), (401, {})]
        await here.come("deployment_protection_rule", RULE_ASKED)
        await here.say()
        await here.later()
        gate = await here.only()
        assert gate.told
        assert (gate.phase, gate.told.tries, gate.told.phase) == (GatePhase.EXECUTING, 1, CallPhase.DUE)
        assert "answers 503" in gate.told.said
        await here.later(seconds=1)
        assert len(here.server.asked) == 1, "it is tried again when its time has come"
        await here.later(seconds=2)
        await here.later(seconds=80)
        assert len(here.server.asked) == 2, "a wait that was asked for is kept"
        await here.later(seconds=11)
        await here.later(seconds=10)
        gate = await here.only()
        assert gate.told
        assert (gate.phase, gate.told.phase, gate.told.tries) == (GatePhase.EXECUTED, CallPhase.TOLD, 4)


@pytest.mark.parametrize("refusal", [(422, {}), (503, {})])
async def test_forge_that_refuses_or_stays_away_fails_the_gate_and_says_why(tmp_path, refusal):
    async with desk(tmp_path, "github", token="t") as here:
        here.server.instead["protection_rule"] = [refusal] * 3
        await here.come("deployment_protection_rule", RULE_ASKED)
        await here.say()
        await here.later()
        if refusal[0] == 503:
            await here.later(days=2)
        gate = await here.only()
        assert (gate.phase, gate.told and gate.told.phase) == (GatePhase.FAILED, CallPhase.FAILED)
        assert f"answers {refusal[0]}" in gate.message


async def test_what_no_longer_waits_voids_its_gate_but_not_that_of_a_newer_attempt(tmp_path):
    async with desk(tmp_path, "github", token="t") as here:
        here.now = NOW + timedelta(minutes=5)
        await here.come("deployment_protection_rule", RULE_ASKED)
        await here.come("workflow_run", ended(4711, 4))
        await here.come("workflow_run", ended(4712, 9))
        assert (await here.only()).phase is GatePhase.OPEN
        await here.come("workflow_run", ended(4711, 9))
        assert (await here.only()).phase is GatePhase.VOID
        await here.later()
        assert here.server.asked == []


@pytest.mark.parametrize(
    "change",
    [
        {"repository": {"id": 6, "html_url": "https://github.com/evil/cart"}},
        {"deployment_callback_url": "https://api.github.com/repos/acme/cart/hooks"},
        {"environment": ""},
    ],
)
async def test_question_out_of_scope_or_without_run_is_set_aside(tmp_path, change):
    async with desk(tmp_path, "github", token="t") as here:
        await here.come("deployment_protection_rule", RULE_ASKED | change)
        assert await here.all() == []
        assert [line.state for line in await here.inbox.lines("", 9)] == ["dead"]


@pytest.mark.parametrize("first", ["deployment", "pipeline"])
async def test_blocked_deployment_of_gitlab_is_approved_and_its_job_started(tmp_path, first):
    async with desk(tmp_path, "gitlab", token="glpat") as here:
        server = here.server
        server.deployments["15"] = {"id": 15, "status": "blocked", "deployable": {"id": 796}}
        server.jobs["796"] = {"id": 796, "status": "manual"}
        bodies = [BLOCKED, pipeline("manual")]
        for body in bodies if first == "deployment" else bodies[::-1]:
            await here.come("", body)
        assert (await here.only()).subject.environment == "production"
        server.instead["/play"] = [(502, {})]
        await here.say()
        await here.later()
        await here.later(seconds=5)
        posted = [path.rpartition("acme/cart/")[2] for method, path, _ in server.asked if method == "POST"]
        assert posted == ["deployments/15/approval", "jobs/796/play", "jobs/796/play"], (
            "each step once it is due"
        )
        assert server.said("/approval")[0]["status"] == "approved"
        assert set(server.bearers) == {"glpat"}
        assert (await here.only()).phase is GatePhase.EXECUTED


async def test_manual_job_is_asked_about_where_there_are_rules_and_ends_when_somebody_starts_it(tmp_path):
    async with desk(tmp_path, "gitlab", token="glpat") as here:
        await here.come("", pipeline("manual", "review/x"))
        assert await here.all() == []
        await here.come("", pipeline("manual"))
        here.now += timedelta(minutes=1)
        assert (await here.only()).phase is GatePhase.OPEN
        await here.come("", pipeline("running"))
        gate = await here.only()
        assert (gate.phase, gate.message) == (
            GatePhase.VOID,
            "GitLab does not wait any more: it went on or ended there.",
        )


STARTS = {
    "workflow": (
        Dispatch("acme", "github.com/acme/{service}", "deploy.yaml", inputs=(("version", "{version}"),)),
        "/repos/acme/cart/actions/workflows/deploy.yaml/dispatches",
        {"ref": "main", "inputs": {"version": "2"}},
    ),
    "event": (
        Dispatch("acme", "github.com/acme/ops", event="ship", inputs=(("image", "{image}"),)),
        "/repos/acme/ops/dispatches",
        {"event_type": "ship", "client_payload": {"image": "cart:2"}},
    ),
    "pipeline": (
        Dispatch("acme", "git.example/acme/{service}", ref="v{version}", inputs=(("ENV", "{environment}"),)),
        "/projects/acme/cart/trigger/pipeline",
        {"token": "glptt", "ref": "v2", "variables": {"ENV": "production"}},
    ),
}


def started(dispatch: Dispatch) -> Question:
    known = {"service": "cart", "version": "2", "environment": "production", "image": "cart:2"}
    subject = Subject(
        "cart", "production", "May 2 go?", after=Version("2", ("cart:2",)), call=dispatch.call(known)
    )
    return Question("k", Origin.FORGE, subject)


@pytest.mark.parametrize("kind", STARTS)
async def test_yes_starts_a_workflow_once(tmp_path, kind):
    dispatch, path, body = STARTS[kind]
    provider = "gitlab" if kind == "pipeline" else "github"
    async with desk(tmp_path, provider, token="t", trigger="glptt") as here:
        here.server.instead[path.rpartition("/")[2]] = [(403, {}), (429, {"retry-after": "5"})]
        await here.gates.ask(started(dispatch), SYSTEM)
        await here.say()
        for _ in range(5):
            await here.later(seconds=10)
        assert [(path_, said) for _, path_, said in here.server.asked] == [(path, body)] * 3
        assert (await here.only()).phase is GatePhase.EXECUTED


@pytest.mark.parametrize("how", ["no", "5xx", "crash", "scope"])
async def test_what_may_have_been_started_is_not_started_again(tmp_path, how):
    dispatch = replace(
        STARTS["workflow"][0], repository="github.com/evil/x" if how == "scope" else "github.com/acme/x"
    )
    async with desk(tmp_path, "github", token="t") as here:
        here.server.instead["dispatches"] = [(502, {})]
        await here.gates.ask(started(dispatch), SYSTEM)
        await here.say(Answer.REJECT if how == "no" else Answer.APPROVE)
        if how == "crash":
            gate = await here.only()
            assert gate.told
            begun = replace(gate.told, phase=CallPhase.SENT, tries=1, due_at=NOW + timedelta(seconds=60))
            assert await here.answering._note(gate, gate.told, begun)
            await here.later()
            assert (await here.only()).phase is GatePhase.EXECUTING, "whoever began it is left to it"
        await here.later(minutes=5)
        await here.later(minutes=5)
        gate = await here.only()
        assert len(here.server.asked) == (1 if how == "5xx" else 0)
        assert gate.phase is (GatePhase.REJECTED if how == "no" else GatePhase.FAILED)
        if how in ("5xx", "crash"):
            assert "not known whether GitHub took it" in gate.message
