"""The embedded cluster's Flagger: it waits for its hooks, moves on yes, and goes back when that is asked for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from app.demo import EmbeddedCluster, pairs, settled
from app.demo.settled import Workload
from app.demo.teller import Teller
from tests.demo.client import stored, until
from tests.demo.conftest import SCALE

pytestmark = pytest.mark.anyio
Obj = dict[str, Any]


class Hooks:
    """Who is asked: what of, in which phase, and what is answered (no, unless it is in `yes`)."""

    def __init__(self) -> None:
        self.yes: set[str] = set()
        self.asked: list[tuple[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        kind, told = request.match_info["kind"], await request.json()
        assert (told["name"], told["namespace"], bool(told["checksum"])) == ("shop", "default", True)
        self.asked.append((kind, told["phase"]))
        return web.Response(status=200 if kind in self.yes else 403)


@pytest.fixture
async def hooks() -> AsyncIterator[tuple[Hooks, str]]:
    found, app = Hooks(), web.Application()
    app.router.add_post("/{kind}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield found, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def cluster(hooks: tuple[Hooks, str]) -> AsyncIterator[EmbeddedCluster]:
    async with EmbeddedCluster(time_scale=SCALE, gates=hooks[1]) as running:
        settled.namespace(running, "default")
        shop = Workload(
            name="shop", namespace="default", image="shop:1.0.0", replicas=2, past=("shop:0.9.0",)
        )
        pairs.place(running, shop, pairs.Pair.FLAGGER)
        yield running


def phase(cluster: EmbeddedCluster) -> str:
    return str(stored(cluster, "canaries", "shop")["status"]["phase"])


def image(cluster: EmbeddedCluster, name: str) -> str:
    found: Obj = stored(cluster, "deployments", name)["spec"]["template"]["spec"]["containers"][0]
    return str(found["image"])


def ship(cluster: EmbeddedCluster) -> None:
    teller = Teller(cluster, "shop", "default", "deployments", delay=0.0)
    teller.ship(teller.next_image())


async def test_a_canary_goes_on_as_its_hooks_say_yes(
    cluster: EmbeddedCluster, hooks: tuple[Hooks, str]
) -> None:
    asked = hooks[0]
    await until(lambda: phase(cluster) == "Succeeded", "it to rest")
    assert asked.asked == [], "nothing changed"
    ship(cluster)
    await until(lambda: ("confirm-rollout", "Waiting") in asked.asked, "it to be asked again")
    assert stored(cluster, "deployments", "shop")["spec"]["replicas"] == 0
    asked.yes = {"confirm-rollout"}
    await until(lambda: phase(cluster) == "WaitingPromotion", "the analysis to pass")
    assert ("rollback", "Progressing") in asked.asked
    assert image(cluster, "shop-primary") == "shop:1.0.0"
    asked.yes = {"confirm-promotion"}
    await until(lambda: phase(cluster) == "Succeeded", "the promotion")
    assert image(cluster, "shop-primary") == image(cluster, "shop") == "shop:1.0.1"
    assert stored(cluster, "deployments", "shop")["spec"]["replicas"] == 0
    assert stored(cluster, "canaries", "shop")["status"]["conditions"][0]["status"] == "True"


async def test_a_canary_goes_back_when_its_hook_asks_for_it(
    cluster: EmbeddedCluster, hooks: tuple[Hooks, str]
) -> None:
    asked = hooks[0]
    asked.yes = {"confirm-rollout"}
    ship(cluster)
    await until(lambda: phase(cluster) == "WaitingPromotion", "the analysis to pass")
    asked.yes = {"confirm-rollout", "rollback"}
    await until(lambda: phase(cluster) == "Failed", "the way back")
    assert image(cluster, "shop-primary") == "shop:1.0.0"
    await until(lambda: stored(cluster, "deployments", "shop")["spec"]["replicas"] == 0, "the canary to end")
    many = len(asked.asked)
    ship(cluster)
    await until(lambda: len(asked.asked) > many, "the next version to be asked about")
    assert asked.asked[many][0] == "confirm-rollout"
