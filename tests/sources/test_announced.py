"""Deployments that ended are told as CDEvents, each once, in order, and again while the sink is away."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from app.domain.ci import ArtifactSeen, DeploymentSeen
from app.domain.refusals import ClusterError
from app.domain.rollout import Outcome, Phase
from app.ingest import Ingest
from app.live import Live
from app.sources.announced import Announcer
from app.sources.cdevents_made import Ended, deployed, gate_decided, purl
from app.sources.hooks import PROVIDERS, Delivery, Refused
from app.sources.hooks.cdevents_rules import broken, versions
from app.sources.outbound import Outbound
from tests.store.looks import NOW, opened, revision, state, workload

pytestmark = pytest.mark.anyio
HERE = "https://shipboard.example.org"
DIGEST = "sha256:" + "a" * 64
ENDED = Ended(
    *("r1", "cart", "production", "east:u1", Outcome.PROMOTED, NOW, "1.2.3"),
    f"ghcr.io/acme/cart:1.2.3@{DIGEST}",
)


def event(ended: Ended) -> Any:
    made = deployed(ended, HERE)
    return json.loads(made) if made else None


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        (ENDED, "dev.cdevents.service.upgraded.0.3.0"),
        (replace(ENDED, first=True), "dev.cdevents.service.deployed.0.3.0"),
        (replace(ENDED, back=True), "dev.cdevents.service.rolledback.0.3.0"),
        (replace(ENDED, outcome=Outcome.ROLLED_BACK), "dev.cdevents.service.rolledback.0.3.0"),
        (replace(ENDED, outcome=Outcome.FAILED, cause="Quota."), "dev.cdevents.incident.detected.0.3.0"),
    ],
)
def test_event_is_a_cdevent_in_a_cloudevent_that_we_would_read_ourselves(ended, kind) -> None:
    made = event(ended)
    assert made["type"] == made["data"]["context"]["type"] == kind
    assert made["specversion"] == "1.0"
    assert made["data"]["context"]["specversion"] == "0.5.1"
    assert list(broken(made["data"])) == []
    assert kind.split(".", 4)[4] in versions(*kind.split(".")[2:4])
    assert event(ended)["id"] == made["id"], "telling twice is telling once"
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    reading = PROVIDERS["cdevents"].read(Delivery("", made, headers, NOW, "github.com/acme/cart"))
    for fact in reading.facts:
        assert isinstance(fact, DeploymentSeen)
        assert (fact.environment, fact.digest) == ("production", DIGEST)
    assert bool(reading.facts) is kind.startswith("dev.cdevents.service")


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("context", "id"), None, "context.id is missing"),
        (("context", "source"), "", "context.source is missing"),
        (("context", "timestamp"), "yesterday", "no time of RFC 3339"),
        (("context", "specversion"), "1.x", "names no release"),
        (("context", "type"), "dev.cdevents.service.exploded.0.3.0", "no type service.exploded"),
        (("context", "type"), "dev.cdeventsx.Nothing", "nor a custom one"),
        (("subject", "id"), None, "subject.id is missing"),
        (("subject", "content"), [], "subject.content is missing"),
        (("subject", "content"), {"artifactId": "pkg:oci/a"}, "names no environment"),
        (("subject", "content"), {"environment": {"id": "p"}}, "names no artifactId"),
        (
            ("subject", "content"),
            {"environment": {"id": "p"}, "artifactId": "sha256:a"},
            "no package address",
        ),
    ],
)
def test_event_that_is_against_the_specification_says_how_and_is_refused(path, value, why) -> None:
    made = event(ENDED)
    made["data"][path[0]][path[1]] = value
    assert any(why in each for each in broken(made["data"]))
    if path != ("context", "type"):
        headers = {"content-type": "application/cloudevents+json"}
        with pytest.raises(Refused, match=r"against the specification|no id"):
            PROVIDERS["cdevents"].read(Delivery("", made, headers, NOW, "github.com/acme/cart"))


def test_versions_that_releases_have_are_known_and_later_ones_are_read_all_the_same() -> None:
    assert versions("change", "created")[-1] == "0.4.0"
    assert versions("service", "deployed") == ("0.1.1", "0.2.0", "0.3.0")
    assert versions("service", "exploded") == versions("nothing", "created") == ()
    made = event(ENDED)
    made["type"] = made["data"]["context"]["type"] = "dev.cdevents.service.upgraded.0.7.0"
    headers = {"content-type": "application/cloudevents+json"}
    assert PROVIDERS["cdevents"].read(Delivery("", made, headers, NOW, "github.com/acme/cart")).facts


def test_rollout_that_gave_way_is_not_told() -> None:
    assert event(replace(ENDED, outcome=Outcome.SUPERSEDED)) is None


def test_package_address_has_digest_or_tag() -> None:
    assert purl(f"ghcr.io/acme/Cart@{DIGEST}") == (
        f"pkg:oci/cart@sha256%3A{'a' * 64}?repository_url=ghcr.io/acme/Cart"
    )
    assert purl("cart:1.0") == "pkg:oci/cart?repository_url=cart&tag=1.0"
    assert purl("") == "pkg:oci/unknown"


def test_decision_on_a_gate_is_a_custom_event() -> None:
    made = json.loads(gate_decided("g7", "cart", "production", "approved", "vera", NOW, HERE))
    assert made["type"] == "dev.cdeventsx.shipboard-gate.decided.0.1.0"
    assert made["data"]["subject"]["content"]["by"] == "vera"
    assert list(broken(made["data"])) == []
    with pytest.raises(ValueError, match=r"subject\.id is missing"):
        gate_decided("", "cart", "production", "approved", "vera", NOW, HERE)


@asynccontextmanager
async def sink() -> AsyncIterator[tuple[str, list[Any], list[int]]]:
    taken: list[Any] = []
    answers: list[int] = []

    async def take(request: web.Request) -> web.Response:
        status = answers.pop(0) if answers else 202
        if status < 300:
            assert request.content_type == "application/cloudevents+json"
            taken.append(await request.json())
        return web.Response(status=status, text="thanks, no JSON")

    app = web.Application()
    app.router.add_post("/in", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/in", taken, answers
    finally:
        await runner.cleanup()


async def test_rollouts_are_told_when_they_end_in_order_and_once(database_url):
    async with sink() as (url, taken, answers), opened(database_url) as database:
        api = Outbound(url, {}, private=True)
        ingest = Ingest(database, Live())
        announcer = Announcer(database, api, HERE, clock=lambda: NOW)
        after = [NOW + timedelta(seconds=10 * n) for n in range(4)]

        def look(number: int, key: str, phase: Phase, step: int) -> Any:
            made = revision(key)
            return workload(number, state(phase, key, revision=made, revisions=(made,)), at=after[step])

        for number in (1, 2):
            await ingest([look(number, "1", Phase.IDLE, 0)])
            await ingest([look(number, "2", Phase.PROGRESSING, 1)])
        assert await announcer.tell() == 0
        await ingest([look(1, "2", Phase.IDLE, 2), look(2, "2", Phase.IDLE, 3)])
        answers += [503]
        with pytest.raises(ClusterError):
            await announcer.tell()
        assert await announcer.tell() == 2
        assert await announcer.tell() == 0
        assert [each["subject"] for each in taken] == ["service-0", "service-0"]
        assert {each["type"] for each in taken} == {"dev.cdevents.service.upgraded.0.3.0"}
        assert taken[0]["data"]["subject"]["content"]["artifactId"].endswith("tag=2")
        await api.close()


def test_public_types_read_here_are_those_that_are_made() -> None:
    made = event(replace(ENDED, first=True))
    body = {
        **made["data"],
        "subject": {**made["data"]["subject"], "id": f"pkg:oci/cart@{DIGEST}", "content": {}},
    }
    body["context"] = {**body["context"], "type": "dev.cdevents.artifact.packaged.0.2.0"}
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": body["context"]["type"]}
    now = datetime(2026, 11, 25, tzinfo=UTC)
    (fact,) = PROVIDERS["cdevents"].read(Delivery("", body, headers, now)).facts
    assert isinstance(fact, ArtifactSeen)
    assert fact.digest == DIGEST
