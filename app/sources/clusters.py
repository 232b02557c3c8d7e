"""Clusters of the settings: opened, followed by one process at a time, and within reach of commands in each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from app.domain.facts import Door, SourceObserved
from app.domain.freshness import Freshness
from app.domain.refusals import ClusterError, Misconfigured
from app.engines import ENGINES
from app.kube import Cluster
from app.perform import ClusterLike
from app.settings import ClusterSettings, Settings
from app.store.lease import Leases

from .runner import Collector


def collecting(
    cluster: ClusterSettings,
    settings: Settings,
    ingest: Door,
    reach: dict[str, ClusterLike],
    leases: Leases,
) -> Callable[[], Awaitable[None]]:
    """The work of following one cluster, by one process at a time; it is within `reach` of commands in each. Where it
    cannot even be tried, its sources say why."""

    async def work() -> None:
        try:
            opened = await open_cluster(cluster)
        except ClusterError as error:
            await ingest(_unheard(cluster, str(error)))
            raise
        try:
            reach[cluster.name] = opened

            async def collect() -> None:
                await Collector(opened, ingest, settings.place_rules, namespaces=cluster.namespaces).run()

            await leases.alone(f"cluster {cluster.name}", collect)()
        finally:
            reach.pop(cluster.name, None)
            await opened.close()

    return work


async def open_cluster(cluster: ClusterSettings) -> Cluster:
    """The cluster that `cluster` describes; not connected yet. Raises ClusterError."""
    if cluster.in_cluster:
        return await Cluster.in_cluster(cluster.name)
    if cluster.kubeconfig and not cluster.kubeconfig.is_file():
        raise Misconfigured(
            f"There is no kubeconfig {cluster.kubeconfig}", "", "Is it mounted, and the path right?"
        )
    return await Cluster.from_kubeconfig(cluster.name, cluster.kubeconfig, cluster.context or None)


def _unheard(cluster: ClusterSettings, why: str) -> list[SourceObserved]:
    """What its sources would say if there were any: nothing known, and the reason."""
    now = datetime.now(UTC)
    kinds = {engine.root.name for engine in ENGINES}
    return [
        SourceObserved(cluster.name, kind, namespace, Freshness.UNKNOWN, None, now, why)
        for kind in sorted(kinds)
        for namespace in cluster.namespaces or ("",)
    ]
