"""Every kind the engines read, on the embedded cluster: what shows up, what is hidden, and what no workload
depends on."""

import time
from dataclasses import replace
from typing import Any

import pytest

from app.demo import settled_sets
from app.demo.faults import Rule
from app.demo.resources import FLAGGER_GROUP, GATEWAY_GROUP
from app.demo.settled import Workload
from app.demo.store import copy
from app.domain.facts import WorkloadGone, WorkloadObserved
from app.domain.freshness import Freshness
from app.domain.rollout import CautionKind, Phase
from app.engines import optional
from app.sources.runner import kinds
from app.sources.standing import Standing
from tests.demo.client import deployment, template

from .bench import LEAKY, QUICK, Following, following

pytestmark = [pytest.mark.anyio, LEAKY]

PLURALS = {kind.name: kind.plural for kind in kinds()}


def cautions(f: Following, name: str) -> list[CautionKind]:
    workload = f.heard.named(name)
    return [c.kind for c in workload.state.cautions] if workload else []


async def test_sets_show_up_with_their_pods() -> None:
    async with following(fill=1) as f:
        await f.settled()
        for kind, name in (("statefulsets", "db"), ("daemonsets", "agent")):
            settled_sets.place(
                f.server, Workload(kind=kind, name=name, namespace="load-00", image=f"{name}:1", replicas=2)
            )
        await f.heard.until(lambda: f.heard.named("db") and f.heard.named("agent"))
        await f.heard.until(lambda: len(f.heard.named("db").state.pods) == 2)  # type: ignore[union-attr]
        await f.heard.until(lambda: len(f.heard.named("agent").state.pods) == 3)  # type: ignore[union-attr]
        for name, engine in (("db", "statefulset"), ("agent", "daemonset")):
            shown = f.heard.named(name)
            assert shown is not None
            assert (shown.engine, shown.state.phase, shown.state.revision is not None) == (
                engine,
                Phase.IDLE,
                True,
            )


async def test_service_without_ready_endpoint_is_a_caution_until_one_is_ready() -> None:
    async with following(fill=2) as f:
        await f.settled()
        f.server.controllers.stop()
        meta = {"name": "web", "namespace": "load-00"}
        labels = {"kubernetes.io/service-name": "web"}
        store = f.server.store
        store.create("services", {"metadata": meta, "spec": {"selector": {"app": "load-0000"}}}, quiet=True)
        endpoint = {"addresses": ["10.0.0.1"], "conditions": {"ready": False}}
        body = {"metadata": {**meta, "labels": labels}, "addressType": "IPv4", "endpoints": [endpoint]}
        made = store.create("endpointslices", body, quiet=True)
        await f.heard.until(lambda: cautions(f, "load-0000") == [CautionKind.NO_ENDPOINTS])
        assert not cautions(f, "load-0001")
        changed = copy(made)
        changed["endpoints"][0]["conditions"]["ready"] = True
        store.put("endpointslices", changed, quiet=True)
        await f.heard.until(lambda: not cautions(f, "load-0000"))


async def test_switch_shows_two_colours_as_one_until_it_is_no_switch_any_more() -> None:
    async with following(fill=0) as f:
        store = f.server.store
        await f.heard.until(f.heard.all_live)
        f.server.controllers.stop()
        for colour in ("blue", "green"):
            made = {"app": "web", "color": colour}
            body = deployment(pod={"metadata": {"labels": made}, "spec": {}})
            body["metadata"] = {"name": colour, "namespace": "shop"}
            store.create("deployments", body, quiet=True)
        await f.heard.until(lambda: f.heard.named("blue") and f.heard.named("green"))
        note = {"shipboard/switch": "color"}
        meta = {"name": "web", "namespace": "shop", "annotations": note}
        selector = {"app": "web", "color": "blue"}
        service = store.create("services", {"metadata": meta, "spec": {"selector": selector}}, quiet=True)
        await f.heard.until(lambda: [w.ref.name for w in f.heard.workloads.values()] == ["web"])
        plain = copy(service)
        plain["metadata"]["annotations"] = {}
        store.put("services", plain, quiet=True)
        await f.heard.until(
            lambda: sorted(w.ref.name for w in f.heard.workloads.values()) == ["blue", "green"]
        )


async def test_flagger_installed_later_joins_what_was_shown_apart() -> None:
    async with following(fill=2) as f:
        await f.heard.until(lambda: len(f.heard.workloads) == 2)
        await f.heard.until(lambda: "is not installed" in f.heard.sources["Canary", ""].message)
        assert f.heard.fresh("Canary") is Freshness.LIVE
        await f.faults(absent={GATEWAY_GROUP})
        await f.heard.until(lambda: f.collector.sources["Canary", ""].standing is Standing.LISTED)
        spec = {"targetRef": {"kind": "Deployment", "name": "load-0000"}}
        meta = {"name": "cart", "namespace": "load-00"}
        f.server.store.create("canaries", {"metadata": meta, "spec": spec}, quiet=True)
        await f.heard.until(
            lambda: sorted(w.ref.name for w in f.heard.workloads.values()) == ["cart", "load-0001"]
        )
        await f.faults(absent={GATEWAY_GROUP, FLAGGER_GROUP})
        await f.server.bench.drop()
        await f.heard.until(
            lambda: sorted(w.ref.name for w in f.heard.workloads.values()) == ["load-0000", "load-0001"]
        )


async def test_what_no_workload_depends_on_may_be_forbidden_without_a_word_about_them() -> None:
    spare = sorted(optional() - {"Canary", "HTTPRoute", "Ingress", "Experiment"})
    forbid = [Rule(resource=PLURALS[kind]) for kind in spare]
    async with following(fill=3, faults={"forbid": forbid}) as f:
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        states = {w.uid: w.state for w in f.heard.workloads.values()}
        for kind in spare:
            await f.heard.until(lambda k=kind: f.heard.fresh(k) is Freshness.UNKNOWN)  # type: ignore[misc]
            assert "Nothing of the board depends on it but " in f.heard.sources[kind, ""].message
        await f.faults(forbid=[])
        await f.settled()
        await f.faults(forbid=forbid)
        await f.server.bench.drop()
        await f.heard.until(lambda: f.heard.fresh("Event") is Freshness.UNKNOWN)
        assert {w.uid: w.state for w in f.heard.workloads.values()} == states
        assert not f.heard.of(WorkloadGone)


async def test_board_does_not_wait_for_a_kind_that_it_can_do_without() -> None:
    patient = replace(QUICK, silence=30.0, patience=30.0, patience_optional=0.2)
    async with following(fill=2, proxied=True, timing=patient) as f:
        assert f.wire is not None
        f.wire.frozen = b"/events"
        await f.heard.until(lambda: len(f.heard.workloads) == 2)
        assert f.collector.sources["Event", ""].standing is Standing.UNLISTED


async def test_board_waits_for_a_kind_that_workloads_depend_on() -> None:
    patient = replace(QUICK, silence=30.0, patience=30.0, patience_optional=0.2)
    async with following(fill=2, proxied=True, timing=patient) as f:
        assert f.wire is not None
        f.wire.frozen = b"/pods"
        others = [s for s in f.collector.sources.values() if s.kind.name != "Pod"]
        await f.heard.until(lambda: all(s.settled for s in others))
        waited = time.monotonic() + 0.5
        await f.heard.until(lambda: time.monotonic() > waited)
        assert not f.heard.workloads


async def test_warning_tells_why_a_pod_is_not_ready() -> None:
    async with following(fill=0) as f:
        await f.heard.until(f.heard.all_live)
        body = deployment(replicas=1, pod=template(fail="never-ready"))
        body["metadata"]["namespace"] = "default"
        f.server.registry.create("deployments", body, manager="kubectl-create")

        def told() -> Any:
            problems = [p for w in f.heard.workloads.values() for p in w.state.problems]
            return any("Readiness probe failed" in p.message + p.evidence for p in problems)

        await f.heard.until(told, within=20.0)


async def test_events_that_every_pod_has_are_not_asked_for() -> None:
    async with following(fill=1) as f:
        await f.settled()
        pod = f.server.store.rows("pods")[0]
        about = {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
        for reason in ("Scheduled", "Pulled", "Created", "Started", "Killing"):
            meta = {"name": f"e-{reason.lower()}", "namespace": pod.namespace}
            body = {"metadata": meta, "involvedObject": about, "type": "Normal", "reason": reason}
            f.server.store.create("events", body, quiet=True)
        await f.heard.until(lambda: f.collector.cache.count("Event") == 1)
        await f.server.bench.compact()
        await f.server.bench.restart()
        lists = f.collector.sources["Event", ""]
        await f.heard.until(lambda: lists.watches > 1 and f.collector.cache.count("Event") == 1)


async def test_absent_kinds_are_not_asked_for_more_often_than_told() -> None:
    async with following(fill=1, timing=replace(QUICK, absent_retry=3600.0)) as f:
        await f.settled()
        f.heard.facts.clear()
        await f.heard.until(lambda: len(f.heard.facts) > 100)
        absent = [s for s in f.collector.sources.values() if s.standing is Standing.ABSENT]
        assert absent
        assert {(s.lists, s.watches) for s in absent} == {(1, 0)}
        assert not f.heard.of(WorkloadObserved)
