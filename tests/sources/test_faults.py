"""The faults a cluster can show (F-01 to F-15), each switched on for real: the screen may age, it may never
be wrong."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest

from app.demo.faults import Rule
from app.demo.store import copy
from app.domain.facts import WorkloadGone, WorkloadObserved, WorkloadsListed
from app.domain.freshness import Freshness
from app.domain.rollout import Phase
from app.sources.runner import kinds
from app.sources.standing import Standing
from app.sources.watched import Source

from .bench import LEAKY, QUICK, Following, following

pytestmark = [pytest.mark.anyio, LEAKY]

PLURALS = {"Deployment": "deployments", "Pod": "pods", "ReplicaSet": "replicasets"}


def subsets(*names: str) -> list[tuple[str, ...]]:
    return [c for size in range(1, len(names) + 1) for c in combinations(names, size)]


def touch(f: Following, name: str = "load-0000") -> None:
    """Change a Deployment behind the controllers' back."""
    entry = next(e for e in f.server.store.rows("deployments") if e.name == name)
    changed = copy(entry)
    changed["metadata"]["generation"] += 1
    f.server.store.put("deployments", changed, quiet=True)


def relabel(f: Following, team: str) -> None:
    entry = next(e for e in f.server.store.rows("deployments") if e.name == "load-0000")
    changed = copy(entry)
    changed["metadata"]["labels"]["team"] = team
    f.server.store.put("deployments", changed, quiet=True)


def delete(f: Following, name: str = "load-0000") -> str:
    entry = next(e for e in f.server.store.rows("deployments") if e.name == name)
    f.server.store.remove("deployments", entry.namespace, name, quiet=True)
    return entry.uid


def risen(source: Source, counter: str, than: int) -> Callable[[], bool]:
    """Whether a counter of a source has risen."""
    return lambda: getattr(source, counter) > than


async def test_first_list_shows_every_workload_with_its_pods() -> None:
    async with following(fill=5, pods=4) as f:
        await f.settled()
        await f.heard.until(lambda: len(f.heard.workloads) == 5)
        assert all(len(w.state.pods) == 4 and w.state.phase is Phase.IDLE for w in f.heard.workloads.values())
        listed = {fact.kind: fact.uids for fact in f.heard.of(WorkloadsListed)}
        assert listed.pop("Deployment") == frozenset(f.heard.workloads)
        assert not any(listed.values())


async def test_f01_unreachable_is_stale_then_live_again_without_relist() -> None:
    async with following(clock=lambda: time.monotonic() * 20) as f:
        await f.settled()
        listed = [s for s in f.collector.sources.values() if s.standing is Standing.LISTED]
        lists = [s.lists for s in listed]
        await f.faults(refuse=True)
        began = time.monotonic()
        await f.heard.until(lambda: all(s.freshness is Freshness.STALE for s in f.heard.sources.values()))
        assert (time.monotonic() - began) * 20 <= 15 + 5  # 0.25 s for a busy machine
        assert all("Cannot connect: Connection refused" in s.message for s in f.heard.sources.values())
        assert not f.heard.of(WorkloadGone)
        await f.faults(refuse=False)
        await f.settled()
        assert lists == [s.lists for s in listed]


async def test_f01_attempts_are_bounded_while_unreachable() -> None:
    slow = replace(QUICK, retry_floor=0.1, retry_cap=0.4)
    async with following(timing=slow) as f:
        await f.settled()
        await f.faults(refuse=True)
        before = sum(s.watches for s in f.collector.sources.values())
        began = time.monotonic()
        pods = f.collector.sources["Pod", ""]
        await f.heard.until(lambda: pods.errors >= 4)
        tries = sum(s.watches for s in f.collector.sources.values()) - before
        assert tries <= len(f.collector.sources) * ((time.monotonic() - began) / 0.1 + 1)


async def test_f02_flapping_makes_no_relist_storm() -> None:
    async with following() as f:
        await f.settled()
        source = f.collector.sources["Deployment", ""]
        for _ in range(10):
            errors, watches = source.errors, source.watches  # taken before the fault: it is felt at once
            await f.faults(refuse=True)
            touch(f)
            await f.heard.until(risen(source, "errors", errors), 30)
            await f.faults(refuse=False)
            await f.heard.until(risen(source, "watches", watches), 30)
        await f.settled()
        assert {s.lists for s in f.collector.sources.values() if s.standing is Standing.LISTED} == {1}


async def test_f03_unauthorized_says_so_and_recovers() -> None:
    async with following(clock=lambda: time.monotonic() * 20) as f:
        await f.settled()
        await f.faults(unauthorized=True)
        await f.server.bench.drop()
        await f.heard.until(lambda: f.heard.fresh("Pod") is Freshness.STALE)
        assert "not signed in" in f.heard.sources["Pod", ""].message
        await f.faults(unauthorized=False)
        await f.settled()


async def test_f04_denied_kind_is_unknown_and_the_rest_stays_live() -> None:
    async with following(faults={"forbid": [Rule(resource="pods")]}) as f:
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        await f.heard.until(lambda: f.heard.fresh("Deployment") is Freshness.LIVE)
        pods = f.heard.sources["Pod", ""]
        assert pods.freshness is Freshness.UNKNOWN
        assert pods.message.startswith("Not permitted to list pods in all namespaces.")
        await f.faults(forbid=[])
        await f.settled()
        await f.heard.until(lambda: all(len(w.state.pods) == 4 for w in f.heard.workloads.values()))


@pytest.mark.parametrize("denied", subsets("rollouts", "deployments", "replicasets", "pods"))
async def test_f04_any_permissions_never_invent_a_healthy_zero(denied: tuple[str, ...]) -> None:
    names = {"rollouts": "Rollout", "deployments": "Deployment", "replicasets": "ReplicaSet", "pods": "Pod"}
    async with following(fill=1, faults={"forbid": [Rule(resource=plural) for plural in denied]}) as f:
        unknown = {names[plural] for plural in denied}
        await f.heard.until(lambda: len(f.heard.sources) == len(kinds()))

        def told() -> bool:
            not_permitted = {
                k for (k, _), s in f.heard.sources.items() if s.message.startswith("Not permitted")
            }
            not_live = {k for (k, _), s in f.heard.sources.items() if s.freshness is not Freshness.LIVE}
            return not_permitted == not_live == unknown

        await f.heard.until(told)
        if "deployments" in denied:
            assert not f.heard.workloads
        else:
            await f.heard.until(lambda: f.heard.workloads)
            assert len(f.heard.named("load-0000").state.pods) == (0 if unknown & {"Pod", "ReplicaSet"} else 4)  # type: ignore[union-attr]


async def test_f04_permission_lost_later_shows_no_workload_as_gone() -> None:
    async with following() as f:
        await f.settled()
        await f.faults(forbid=[Rule(resource="deployments")])
        await f.server.bench.drop()
        await f.heard.until(lambda: f.heard.fresh("Deployment") is Freshness.UNKNOWN)
        await f.faults(forbid=[])
        await f.settled()
        assert not f.heard.of(WorkloadGone)
        assert len(f.heard.workloads) == 3


async def test_f04_denied_cluster_wide_follows_the_configured_namespaces() -> None:
    faults = {
        "forbid": [Rule(resource="pods", cluster_wide=True), Rule(resource="pods", namespace="load-01")]
    }
    async with following(namespaces=("load-00", "load-01"), faults=faults) as f:
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        await f.heard.until(lambda: f.heard.fresh("Pod", "load-00") is Freshness.LIVE)
        assert f.heard.fresh("Pod", "load-01") is Freshness.UNKNOWN
        assert f.heard.sources["Pod", "load-01"].message.startswith("Not permitted to list pods in load-01.")
        assert ("Pod", "") not in f.heard.sources
        pods = {w.ref.namespace: len(w.state.pods) for w in f.heard.workloads.values()}
        assert pods == {"load-00": 4, "load-01": 0}


async def test_f04_rights_narrowed_to_namespaces_are_followed_there_without_a_restart() -> None:
    async with following(namespaces=("load-00", "load-01")) as f:
        await f.settled()
        await f.faults(forbid=[Rule(resource="pods", cluster_wide=True)])
        await f.server.bench.drop()
        await f.heard.until(lambda: f.heard.fresh("Pod", "load-01") is Freshness.LIVE)
        await f.heard.until(lambda: ("Pod", "") not in f.heard.sources)
        await f.settled()
        assert not f.heard.of(WorkloadGone)
        deleted = delete(f)
        await f.heard.until(lambda: deleted not in f.heard.workloads)
        await f.heard.until(lambda: all(len(w.state.pods) == 4 for w in f.heard.workloads.values()))


@pytest.mark.parametrize("how", ["gone_watch", "gone_watch_http"])
async def test_f05_gone_is_answered_by_a_relist_without_false_facts(how: str) -> None:
    async with following() as f:
        await f.settled()
        f.heard.facts.clear()
        await f.faults(**{how: {"deployments"}})
        source = f.collector.sources["Deployment", ""]
        await f.heard.until(lambda: source.lists >= 3)
        gone = delete(f)
        touch(f, "load-0001")
        await f.heard.until(lambda: [w.uid for w in f.heard.of(WorkloadGone)] == [gone])
        await f.faults(**{how: set()})
        await f.settled()
        assert {w.ref.name for w in f.heard.of(WorkloadObserved)} <= {"load-0001"}


async def test_f05_gone_in_the_middle_of_a_list_is_answered_by_another_list() -> None:
    async with following(fill=10, faults={"gone_continue": {"pods"}}) as f:
        await f.heard.until(lambda: f.collector.sources["Pod", ""].errors)
        await f.faults(gone_continue=set())
        await f.settled()


async def test_f05_compaction_and_restart_keep_the_truth() -> None:
    async with following() as f:
        await f.settled()
        for _ in range(5):
            delete_and_more = f.server.store.rows("pods")[0]
            f.server.store.remove("pods", delete_and_more.namespace, delete_and_more.name, quiet=True)
            await f.server.bench.compact()
            await f.server.bench.restart()
            await f.heard.until(f.agrees)
        assert not f.heard.of(WorkloadGone)


async def test_f06_one_half_open_watch_goes_stale_and_the_others_stay_live() -> None:
    async with following(clock=lambda: time.monotonic() * 20, proxied=True) as f:
        await f.settled()
        assert f.wire is not None
        others: list[Freshness | None] = []
        f.wire.frozen = b"/pods?watch=true"
        began = time.monotonic()

        def stale() -> bool:
            others.extend(f.heard.fresh(kind) for kind in ("Deployment", "ReplicaSet", "Rollout"))
            return f.heard.fresh("Pod") is Freshness.STALE

        await f.heard.until(stale)
        assert (time.monotonic() - began) * 20 <= 45 + 5  # 0.25 s for a busy machine
        assert {Freshness.STALE, Freshness.UNKNOWN}.isdisjoint(others)
        message = f.heard.sources["Pod", ""].message
        assert "The watch fell silent" in message or "No answer in time" in message
        f.wire.frozen = b""
        await f.settled()


async def test_f06_a_watch_that_ended_without_a_word_is_followed_by_a_list() -> None:
    async with following() as f:
        await f.settled()
        await f.faults(stall={"deployments"})
        touch(f)
        await f.settled()
        assert f.collector.sources["Deployment", ""].lists >= 2
        assert f.collector.sources["Pod", ""].lists == 1


async def test_f06_an_open_watch_without_a_byte_is_stale_whatever_else_is_answered() -> None:
    never = replace(QUICK, list_gap=36_000)
    async with following(timing=never, clock=lambda: time.monotonic() * 20) as f:
        await f.settled()
        await f.faults(stall={"pods"})
        began = time.monotonic()
        await f.heard.until(lambda: f.heard.fresh("Pod") is Freshness.STALE)
        assert (time.monotonic() - began) * 20 <= 45 + 5  # 0.25 s for a busy machine
        assert f.heard.fresh("Deployment") is Freshness.LIVE
        assert f.heard.sources["Pod", ""].message.startswith("The watch of pods has gone silent.")
        await f.faults(stall=set())
        await f.settled()


async def test_f07_events_lost_by_the_server_are_found_by_the_periodic_list() -> None:
    async with following(timing=replace(QUICK, relist=1.0)) as f:
        await f.settled()
        await f.faults(lie={"pods": 1.0}, bookmark_interval=0.02)
        gone, changed = f.server.store.rows("pods")[:2]
        f.server.store.put("pods", copy(changed), quiet=True)
        f.server.store.remove("pods", gone.namespace, gone.name, quiet=True)
        await f.heard.until(f.agrees)
        assert f.collector.sources["Pod", ""].drift >= 2


@pytest.mark.parametrize("how", ["garbage", "truncated"])
async def test_f08_broken_line_is_a_broken_stream_resumed_without_loss(how: str) -> None:
    async with following() as f:
        await f.settled()
        source = f.collector.sources["Deployment", ""]
        for _ in range(3):
            errors = source.errors  # taken before the fault: it is felt at once
            await f.faults(**{how: {"deployments"}})
            touch(f)
            await f.heard.until(risen(source, "errors", errors))
            await f.heard.until(f.agrees)
        assert source.lists == 1


async def test_f08_an_event_that_is_garbage_each_time_is_passed_by_a_list() -> None:
    class Always(set[str]):
        def discard(self, _: object) -> None: ...

    async with following() as f:
        await f.settled()
        await f.faults(garbage=Always({"deployments"}))
        touch(f)
        await f.settled()
        assert f.collector.sources["Deployment", ""].lists == 2


async def test_f09_slow_server_is_never_shown_as_live() -> None:
    async with following(clock=lambda: time.monotonic() * 20) as f:
        await f.settled()
        await f.faults(latency=0.6)
        await f.heard.until(lambda: f.heard.fresh("Deployment") is Freshness.STALE)
        await f.faults(latency=0)
        await f.settled()


async def test_f10_retry_after_is_honoured() -> None:
    async with following(faults={"busy": 429, "retry_after": 1}) as f:
        pods = f.collector.sources["Pod", ""]
        await f.heard.until(lambda: pods.errors == 1)
        await f.faults(busy=0)
        began = time.monotonic()
        await f.heard.until(lambda: pods.standing is Standing.LISTED)
        assert time.monotonic() - began > 0.8
        assert pods.lists == 2


@pytest.mark.parametrize("told", ["probe", "watch"])
async def test_f11_a_restored_older_store_replaces_everything(told: str) -> None:
    """By whichever is first: a probe, or a watch that goes on from the older version by a bookmark."""
    seen = {"probe": (0.1, 60.0), "watch": (3_600.0, 0.1)}[told]
    async with following(timing=replace(QUICK, probe_every=seen[0])) as f:
        await f.faults(bookmark_interval=seen[1])
        await f.settled()
        await f.server.bench.backup()
        for _ in range(20):
            touch(f)
        gone = delete(f, "load-0001")
        await f.heard.until(lambda: gone not in f.heard.workloads)
        await f.server.bench.restart(older=True)
        await f.heard.until(f.agrees)
        await f.heard.until(lambda: len(f.heard.workloads) == 3)


async def test_f11_a_version_used_twice_is_not_taken_for_the_same_object() -> None:
    async with following() as f:
        await f.settled()
        await f.server.bench.backup()
        relabel(f, "one")
        for _ in range(5):
            touch(f, "load-0001")
        await f.heard.until(f.agrees)
        await f.server.bench.restart(older=True)
        relabel(f, "two")
        await f.heard.until(lambda: (w := f.heard.named("load-0000")) and w.place.team == "two")


async def test_f12_recreated_under_the_same_name_is_another_workload() -> None:
    async with following() as f:
        await f.settled()
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        await f.faults(refuse=True)
        entry = f.server.store.rows("deployments")[0]
        f.server.store.remove("deployments", entry.namespace, entry.name, quiet=True)
        again = f.server.store.create("deployments", copy(entry), quiet=True)
        await f.server.bench.compact()
        await f.faults(refuse=False)
        await f.heard.until(lambda: again.uid in f.heard.workloads and entry.uid not in f.heard.workloads)
        assert again.uid != entry.uid
        assert len(f.heard.workloads) == 3


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "Pod"])
async def test_f13_poison_is_named_and_hides_nobody(kind: str) -> None:
    async with following(fill=0) as f:
        await f.server.bench.poison(PLURALS[kind])
        await f.server.bench.fill(3, 4, namespaces=2)
        await f.heard.until(lambda: f.heard.all_live())
        await f.heard.until(lambda: sum(len(w.state.pods) for w in f.heard.workloads.values()) == 12)
        await f.heard.until(lambda: f.heard.sources[kind, ""].unreadable)
        text = f.heard.sources[kind, ""].unreadable[0]
        assert text.startswith("poison/poison-")
        if kind == "Deployment":
            broken = f.heard.named("poison-text-spec")
            assert broken is not None
            assert broken.state.phase is Phase.UNKNOWN
            assert broken.state.message.startswith("Cannot be read: ")


async def test_f13_poison_present_at_boot_is_set_aside_too() -> None:
    async with following(fill=2) as f:
        await f.server.bench.poison("deployments")
        await f.server.bench.compact()
        await f.server.bench.restart()
        await f.heard.until(lambda: f.heard.named("poison-wrong-numbers") and f.heard.named("load-0001"))


async def test_f15_absent_crd_is_said_and_picked_up_later() -> None:
    async with following(faults={"crd_absent": True}) as f:
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        await f.heard.until(lambda: "not installed" in f.heard.sources["Rollout", ""].message)
        assert not f.heard.sources["Rollout", ""].installed
        await f.faults(crd_absent=False)
        await f.heard.until(lambda: f.collector.sources["Rollout", ""].standing is Standing.LISTED)
        await f.heard.until(lambda: f.heard.sources["Rollout", ""].message == "")
        assert f.heard.sources["Rollout", ""].installed


async def test_kind_that_vanishes_takes_no_workload_along() -> None:
    async with following(fill=1) as f:
        await f.heard.until(lambda: f.heard.fresh("Rollout") is Freshness.LIVE)
        template = {
            "metadata": {"labels": {"app": "cart"}},
            "spec": {"containers": [{"name": "c", "image": "i:1"}]},
        }
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "cart"}}, "template": template}
        meta = {"name": "cart", "namespace": "load-00"}
        f.server.store.create(
            "rollouts", {"metadata": meta, "spec": {**spec, "strategy": {"canary": {}}}}, quiet=True
        )
        await f.heard.until(lambda: f.heard.named("cart"))
        listings = [x for x in f.heard.of(WorkloadsListed) if x.kind == "Rollout"]
        await f.faults(crd_absent=True)
        await f.server.bench.drop()
        rollouts = f.collector.sources["Rollout", ""]
        await f.heard.until(lambda: rollouts.absences > 2)
        await f.heard.until(lambda: not f.heard.sources["Rollout", ""].installed)
        assert f.heard.named("cart")
        assert not f.heard.of(WorkloadGone)
        assert [x for x in f.heard.of(WorkloadsListed) if x.kind == "Rollout"] == listings
        await f.faults(crd_absent=False)
        await f.heard.until(lambda: f.heard.sources["Rollout", ""].installed)
        assert f.heard.named("cart")


async def test_f15_absent_crd_is_live_even_where_all_else_is_denied() -> None:
    forbid = [Rule(resource=plural) for plural in PLURALS.values()]
    async with following(faults={"crd_absent": True, "forbid": forbid}) as f:
        await f.heard.until(lambda: f.heard.fresh("Rollout") is Freshness.LIVE)


async def test_ingest_that_fails_loses_nothing() -> None:
    async with following() as f:
        await f.settled()
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        f.heard.fail = 3
        gone = delete(f)
        touch(f, "load-0001")
        await f.heard.until(lambda: gone not in f.heard.workloads and f.heard.fail == 0)


async def test_changes_that_mean_nothing_to_the_board_give_no_facts() -> None:
    async with following() as f:
        await f.settled()
        await f.heard.until(lambda: len(f.heard.workloads) == 3)
        f.heard.facts.clear()
        await f.server.bench.blast(20)
        await f.heard.until(f.agrees)
        await f.heard.until(lambda: len(f.heard.facts) >= 12)
        assert not f.heard.of(WorkloadObserved)


async def test_recovery_does_not_wait_for_a_long_back_off() -> None:
    """G-32: the probe's answer ends the waits of all sources."""
    patient = replace(QUICK, retry_base=36_000, retry_cap=36_000)
    async with following(timing=patient) as f:
        await f.settled()
        await f.faults(refuse=True)
        await f.heard.until(lambda: all(s.errors for s in f.collector.sources.values()))
        await f.faults(refuse=False)
        touch(f)
        await f.settled()
