import pytest

from app.demo import EmbeddedCluster
from app.demo.faults import Rule
from app.domain.refusals import Unauthorized, Unreachable
from app.kube import Cluster
from app.sources.check import Report, check

pytestmark = pytest.mark.anyio


async def checked(server: EmbeddedCluster, *namespaces: str) -> Report:
    cluster = await Cluster.at("shop", server.url, server.token)
    try:
        return await check(cluster, namespaces)
    finally:
        await cluster.close()


async def test_report_of_a_permitted_account_names_it_and_counts_objects() -> None:
    async with EmbeddedCluster() as server:
        await server.bench.fill(3, 4)
        report = await checked(server)
    assert report.well
    assert report.account
    assert report.version.startswith("v1.")
    assert not report.rules
    assert "pods: 12 there, may be listed and watched" in map(str, report.findings)


async def test_report_says_the_exact_rules_that_are_missing() -> None:
    async with EmbeddedCluster() as server:
        server.faults.forbid = [Rule(resource="pods"), Rule(resource="replicasets", verb="watch")]
        report = await checked(server)
    assert not report.well
    assert [f.kind.plural for f in report.findings if not f.well] == ["replicasets", "pods", "pods/log"]
    assert report.rules == (
        '- apiGroups: ["apps"]\n  resources: [replicasets]\n  verbs: [list, watch]\n'
        '- apiGroups: [""]\n  resources: [pods]\n  verbs: [list, watch]'
    )
    assert report.commands == (
        "kubectl create clusterrole shipboard-read --verb=list,watch --resource=replicasets.apps,pods",
        "kubectl create clusterrole shipboard-logs --verb=get --resource=pods/log",
    )
    assert any(line.startswith("  FAIL pods") for line in report.lines())


async def test_report_looks_into_namespaces_when_the_whole_cluster_is_not_permitted() -> None:
    async with EmbeddedCluster() as server:
        server.faults.forbid = [Rule(resource="pods", namespace="shop")]
        report = await checked(server, "shop")
    assert report.well, "listing everywhere is permitted, so the namespaces do not matter"


async def test_what_the_board_can_do_without_is_told_apart_and_is_no_failure() -> None:
    async with EmbeddedCluster() as server:
        server.faults.forbid = [Rule(resource="events"), Rule(resource="endpointslices", verb="watch")]
        report = await checked(server)
    assert report.well
    assert not report.rules
    assert report.spare_rules == (
        '- apiGroups: ["discovery.k8s.io"]\n  resources: [endpointslices]\n  verbs: [list, watch]\n'
        '- apiGroups: [""]\n  resources: [events]\n  verbs: [list, watch]'
    )
    lines = report.lines()
    required, spare = lines[: (at := lines.index("  Of these the board can do without:"))], lines[at:]
    assert any(line.startswith("  ok   pods") for line in required)
    assert any(line.startswith("  note events") and "Nothing is lost but " in line for line in spare)
    assert any(line.startswith("  ok   canaries: flagger.app is not installed") for line in spare)
    assert "  Rules that would tell more:" in lines


async def test_logs_that_may_not_be_read_are_noted_and_no_failure() -> None:
    async with EmbeddedCluster() as server:
        server.faults.forbid = [Rule(resource="pods/log", verb="get")]
        report = await checked(server)
        assert report.well
        assert any(line.startswith("  note pods/log: may not be read") for line in report.lines())
        assert report.spare_rules == '- apiGroups: [""]\n  resources: [pods/log]\n  verbs: [get]'
        server.faults.forbid = []
        assert "  ok   pods/log: may be read" in (await checked(server)).lines()


async def test_absent_group_is_well_and_said() -> None:
    async with EmbeddedCluster(argo=False) as server:
        report = await checked(server)
    assert report.well
    assert "rollouts: argoproj.io is not installed; nothing to show" in map(str, report.findings)


async def test_refused_account_and_dead_server_are_errors() -> None:
    async with EmbeddedCluster() as server:
        server.faults.unauthorized = True
        with pytest.raises(Unauthorized):
            await checked(server)
    with pytest.raises(Unreachable):
        await checked(server)
