"""A conversation with Flagger: it polls, and goes on only by 200 to 202; rollback is the other way round."""

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import yaml
from fastapi import FastAPI

from app.domain.delivery import Delivery, Rules
from app.domain.facts import WorkloadObserved
from app.domain.gates import Answer, GatePhase
from app.domain.names import Place, WorkloadRef
from app.domain.people import EVERYWHERE, Principal, PrincipalKind, Role
from app.domain.refusals import Absent
from app.engines.port import CANARY
from app.ingest import Ingest
from app.live import Live
from app.perform import Ballot, ClusterLike, Freezer, Gates, cast_ballot
from app.read.evidence import evidence
from app.store.db import Database
from app.web import errors, flagger
from tests.databases import fresh
from tests.engines.objects import CASES, look

pytestmark = pytest.mark.anyio
SECRET = "s" * 32
REF = WorkloadRef("east", "shop", "Canary", "web")
ADA = Principal(PrincipalKind.PERSON, "local", "ada", "Ada", roles={EVERYWHERE: frozenset({Role.APPROVER})})


class Cluster:
    """The API server as far as a look at the Canary needs it."""

    name = "east"

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []

    async def get(self, path: str, query: Any = (), *, seconds: float = 5.0) -> bytes:
        kinds = {
            "canaries": "Canary",
            "deployments": "Deployment",
            "replicasets": "ReplicaSet",
            "pods": "Pod",
        }
        parts = path.split("/")
        for plural, kind in kinds.items():
            found = [d for d in self.documents if d["kind"] == kind]
            if parts[-1] == plural:
                return json.dumps({"items": found}).encode()
            if parts[-2] == plural and (one := [d for d in found if d["metadata"]["name"] == parts[-1]]):
                return json.dumps(one[0]).encode()
        raise Absent(f"Could not read {path}", "it is not there")


class Talk:
    """Flagger at one end, a person at the other."""

    def __init__(self, gates: Gates, cluster: Cluster, database: Database, http: httpx2.AsyncClient) -> None:
        self.gates, self.cluster, self.database, self.http = gates, cluster, database, http
        self.checksum = "85d557f47b"

    async def stands(self, case: str, image: str = "web:2.0", *, told: bool = True) -> None:
        """The cluster is as in a case of the engine's tests, with `image` in the target; `told`: the board knows."""
        *documents, _ = yaml.safe_load_all((CASES / "flagger" / f"{case}.yaml").read_text())
        documents = copy.deepcopy(documents)
        for each in documents[1:]:
            if each["metadata"]["name"] in ("web", "web-rs") and image != "web:2.0":
                each["spec"]["template"]["spec"]["containers"][0]["image"] = image
                each["metadata"]["uid"] += image
                each["metadata"].get("labels", {}).update({"pod-template-hash": image.replace(":", "")})
                for owner in each["metadata"].get("ownerReferences", ()):
                    owner["uid"] += image
        self.cluster.documents = documents
        if told:
            engine, root, kin = look(documents)
            state = engine.observe(root, kin)
            now = datetime.now(UTC)
            fact = WorkloadObserved(REF, "canary-uid", Place("web", "production"), engine.name, state, now)
            await Ingest(self.database, Live())([fact])

    async def asks(self, kind: str, phase: str, secret: str = SECRET) -> int:
        body = {"name": "web", "namespace": "shop", "phase": phase, "checksum": self.checksum, "metadata": {}}
        answer = await self.http.post(f"/hooks/flagger/{secret}/east/{kind}", json=body)
        return answer.status_code

    async def says(self, answer: Answer) -> None:
        (gate,) = [g for g in await self.gates.of_key("flagger|") if g.phase is GatePhase.OPEN]
        fresh = await self.gates.fresh(gate)
        await cast_ballot(self.gates, gate.id, Ballot(answer, fresh.digest, "because"), ADA)


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    async with conversation(tmp_path) as found:
        yield found


@asynccontextmanager
async def conversation(directory: Path) -> AsyncIterator[Talk]:
    database = await Database.open(fresh(directory), audit_key="k" * 32)
    freezer = Freezer(Delivery(("production",), {"production": Rules("production", four_eyes=False)}))
    gates = Gates(database, Live(), freezer, partial(evidence, database), lambda: datetime.now(UTC))
    cluster, app = Cluster(), FastAPI()
    errors.install(app)
    app.include_router(flagger.routes(gates, {"east": cast("ClusterLike", cluster)}, SECRET))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as http:
        yield Talk(gates, cluster, database, http)
    await database.close()


WAITING, AT_20 = "phase-waiting-for-a-gate-before-it-starts", "phase-progressing-at-20-percent"
AT_END = "phase-waiting-promotion-keeps-the-traffic"


async def test_rollout_waits_until_a_person_says_yes(talk):
    await talk.stands(WAITING)
    assert [await talk.asks("confirm-rollout", "Waiting") for _ in range(3)] == [403, 403, 403]
    assert len(await talk.gates.of_key("flagger|")) == 1
    await talk.says(Answer.APPROVE)
    assert [await talk.asks("confirm-rollout", "Waiting") for _ in range(2)] == [200, 200]


async def test_yes_holds_only_for_the_version_it_was_given_for(talk):
    """At confirm-rollout the checksum is still that of the version before; another target is another question."""
    await talk.stands(WAITING)
    await talk.asks("confirm-rollout", "Waiting")
    await talk.says(Answer.APPROVE)
    await talk.stands(WAITING, "web:3.0", told=False)
    assert await talk.asks("confirm-rollout", "Waiting") == 403, (
        "the board has not heard of it, the cluster has"
    )
    await talk.stands(WAITING, "web:3.0")
    assert await talk.asks("confirm-rollout", "Waiting") == 403
    assert len(await talk.gates.of_key("flagger|")) == 2


async def test_each_weight_is_a_question_of_its_own(talk):
    await talk.stands(AT_20)
    assert await talk.asks("confirm-traffic-increase", "Progressing") == 403
    await talk.says(Answer.APPROVE)
    assert await talk.asks("confirm-traffic-increase", "Progressing") == 200
    await talk.stands(AT_END)
    assert await talk.asks("confirm-promotion", "WaitingPromotion") == 403
    talk.checksum = "0000000000"
    assert await talk.asks("confirm-promotion", "WaitingPromotion") == 403
    assert len(await talk.gates.of_key("flagger|")) == 3


async def test_rollback_is_answered_with_yes_only_where_a_person_said_no(talk):
    await talk.stands(AT_20)
    assert await talk.asks("rollback", "Progressing") == 403
    await talk.asks("confirm-traffic-increase", "Progressing")
    assert await talk.asks("rollback", "Progressing") == 403
    await talk.says(Answer.REJECT)
    assert await talk.asks("rollback", "Progressing") == 200
    assert await talk.asks("rollback", "Failed") == 403
    assert await talk.asks("confirm-traffic-increase", "Progressing") == 403
    await talk.stands(AT_20, "web:3.0")
    assert await talk.asks("rollback", "Progressing") == 403, "the next version was not rejected"


async def test_no_is_used_up_by_the_rollback_it_leads_to(talk):
    await talk.stands(AT_20)
    await talk.asks("confirm-traffic-increase", "Progressing")
    await talk.says(Answer.REJECT)
    assert [await talk.asks("rollback", "Progressing") for _ in range(2)] == [200, 200], (
        "an answer may get lost"
    )
    await talk.stands("phase-failed-and-rolled-back")
    await talk.stands(AT_20)
    assert await talk.asks("rollback", "Progressing") == 403, "the same version again is another try"
    assert await talk.asks("confirm-traffic-increase", "Progressing") == 403
    await talk.says(Answer.APPROVE)
    assert await talk.asks("confirm-traffic-increase", "Progressing") == 200


async def test_whatever_is_odd_is_a_no(talk):
    await talk.stands(WAITING)
    assert await talk.asks("confirm-rollout", "Waiting", "x" * 32) == 404
    assert await talk.asks("confirm-everything", "Waiting") == 404
    here = f"/hooks/flagger/{SECRET}"
    for body in (b"", b"[]", b'{"name":1}', b"{" * 5000, b"\xff", b"x" * 70_000):
        assert (await talk.http.post(f"{here}/east/confirm-rollout", content=body)).status_code in (400, 413)
    hook = {"name": "nobody", "namespace": "shop"}
    assert (await talk.http.post(f"{here}/east/confirm-rollout", json=hook)).status_code == 403
    assert (await talk.http.post(f"{here}/west/confirm-rollout", json=hook)).status_code == 403
    await talk.asks("confirm-rollout", "Waiting")
    await talk.says(Answer.APPROVE)
    talk.cluster.documents = []
    assert await talk.asks("confirm-rollout", "Waiting") == 403, "what cannot be looked at is not confirmed"
    assert CANARY.name == REF.kind
