"""Verbs that move traffic with native objects: a Service that switches, and the share of a canary."""

import asyncio
import json

import pytest

from app.domain.commands import Verb
from app.perform import Blocked
from tests.cluster.api import STRATEGIC
from tests.cluster.levers import json_patch
from tests.cluster.manifests import (
    colour,
    http_route,
    image,
    ingress,
    native_canary,
    switch,
)

pytestmark = pytest.mark.anyio


async def test_service_is_switched_and_back_but_not_to_a_colour_that_reaches_nobody(twins):
    web = twins("Service")

    await web.both("Deployment", colour("web", "blue", "web:1"))
    await web.both("Service", switch("web", "blue"))
    await asyncio.sleep(1.1)  # revisions tell their age in whole seconds, and by it which colour is the newer
    await web.both("Deployment", colour("web", "green", "web:2", fail="never-ready"))
    await web.board.until(web.mine, "web", lambda one: one["version"] == "2", kind="Service")
    version = (await web.api.get(web.at(web.mine)))["metadata"]["resourceVersion"]
    with pytest.raises(Blocked, match="reach nobody"):
        await web.ask(Verb.SWITCH)
    assert (await web.api.get(web.at(web.mine)))["metadata"]["resourceVersion"] == version

    await web.patch_both(image("web:2", fail=""), "Deployment", "web-green", STRATEGIC)
    await web.board.until(web.mine, "web", lambda one: one["phase"] == "awaiting_approval", kind="Service")
    for there, goal in (("blue", "green"), ("green", "blue")):
        await web.do(Verb.SWITCH)
        body, _ = json_patch(
            ("test", "/spec/selector/color", there), ("replace", "/spec/selector/color", goal)
        )
        await web.kubectl("patch", "svc/web", "--type=json", "-p", json.dumps(body))
        await web.alike()
        assert (await web.api.get(web.at(web.mine)))["spec"]["selector"]["color"] == goal


async def a_native_canary(web, route=""):
    """A stable Deployment, and a canary that waits beside it."""
    for each in native_canary("web", route):
        await web.both("Deployment", each)
    await web.board.until(web.mine, "web", lambda one: one["phase"] == "awaiting_approval")


async def test_weights_of_a_route_follow_and_the_canary_is_promoted(twins):
    web = twins("Deployment")
    await web.both("HTTPRoute", http_route("web", 10))
    await a_native_canary(web, "HTTPRoute/web")

    await web.do(Verb.SET_WEIGHT, weight=40)
    body, how = json_patch(
        ("replace", "/spec/rules/0/backendRefs/0/weight", 60),
        ("replace", "/spec/rules/0/backendRefs/1/weight", 40),
    )
    await web.api.patch(web.at(web.theirs, "HTTPRoute"), body, type=how)
    await web.alike()

    await web.do(Verb.ABORT)
    body[0]["value"], body[1]["value"] = 100, 0
    await web.api.patch(web.at(web.theirs, "HTTPRoute"), body, type=how)
    await web.alike()

    await web.do(Verb.PROMOTE)
    await web.kubectl("set", "image", "deploy/web", "web=web:2")
    await web.settled()
    await web.alike()


async def test_weight_of_an_ingress_follows(twins):
    web = twins("Deployment")
    await web.both("Ingress", ingress("web", 10))
    await a_native_canary(web, "Ingress/web")
    note = "nginx.ingress.kubernetes.io/canary-weight"

    await web.do(Verb.SET_WEIGHT, weight=30)
    await web.kubectl("annotate", "--overwrite", "ingress/web", f"{note}=30")
    await web.alike()

    await web.do(Verb.ABORT)
    await web.kubectl("annotate", "--overwrite", "ingress/web", f"{note}=0")
    await web.alike()


async def test_canary_without_a_route_is_scaled_away(twins):
    web = twins("Deployment")
    await a_native_canary(web)
    await web.do(Verb.ABORT)
    await web.kubectl("scale", "deploy/web-canary", "--replicas=0")
    await web.alike()
