"""The demo's fleet: two dozen services in dev, staging and production, most of them calm.

What is stuck lies in dev and staging and stays there to be looked at; of production one release is in trouble,
each time in another way. Ages lie in the past, so that the board has a history.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.demo import kept, pairs, settled, settled_sets, teller
from app.demo.ci_payloads import REGISTRY
from app.demo.kept import Keeper
from app.demo.pairs import Pair
from app.demo.resources import FLEET_GROUPS
from app.demo.services import ENVIRONMENTS, ROLLING, SERVICES, Service
from app.demo.settled import HOUR, Workload
from app.demo.stories import (
    PATIENCE,
    Story,
    blocked,
    colours,
    confirmed,
    from_git,
    gated_canary,
    partitioned,
    stuck,
    switch,
    timed_canary,
    updates,
    weighed,
)

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]
FOR_LONG = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Place:
    """How a service stands in one environment where that is not as usual. `selects`: the pods its Service looks
    for; `stops`: how its pods exceed their grace period; `watched`: its story begins once somebody can look; `keeper`:
    who applies it from Git; `pair`: the native objects that it is made of, where they are two Deployments."""

    story: Story | None = None
    probe: bool = True
    replicas: int | None = None
    selects: str = ""
    stops: str = ""
    watched: bool = False
    keeper: Keeper | None = None
    pair: Pair | None = None
    spec: Obj = field(default_factory=dict)


SURGE: Obj = {
    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
}
PLACES: dict[tuple[str, str], Place] = {
    ("checkout-api", "production"): Place(gated_canary),
    ("storefront-web", "production"): Place(updates()),
    ("pricing", "production"): Place(switch),
    ("cart", "production"): Place(timed_canary),
    ("search-index", "production"): Place(partitioned),
    ("log-shipper", "production"): Place(updates(900)),
    # by native objects, and from Git
    ("reviews", "production"): Place(colours, pair=Pair.COLOURS),
    ("identity", "production"): Place(weighed, pair=Pair.CANARY, watched=True),
    ("loyalty", "production"): Place(confirmed, pair=Pair.FLAGGER, watched=True),
    ("feature-flags", "production"): Place(from_git(), keeper=Keeper.ARGOCD),
    ("addresses", "production"): Place(keeper=Keeper.FLUX),
    # stuck
    ("notifications", "production"): Place(
        stuck("image-pull", "never-ready", "quota", "unschedulable", "crash", patience=900)
    ),
    ("notifications", "staging"): Place(stuck("never-ready", patience=FOR_LONG)),
    ("notifications", "dev"): Place(stuck("quota", patience=FOR_LONG)),
    ("thumbnails", "dev"): Place(
        stuck("image-pull", patience=FOR_LONG), spec={"progressDeadlineSeconds": 3600}
    ),
    ("thumbnails", "staging"): Place(stuck("oom", patience=FOR_LONG)),
    ("fraud-scoring", "dev"): Place(stuck("no-node", patience=FOR_LONG)),
    ("fraud-scoring", "staging"): Place(stuck("account", patience=FOR_LONG)),
    ("recommendations", "dev"): Place(stuck("limits", patience=FOR_LONG)),
    ("search-index", "staging"): Place(blocked),
    ("log-shipper", "staging"): Place(stuck("crash", patience=FOR_LONG), spec=SURGE),
    ("log-shipper", "dev"): Place(stuck("policy", patience=FOR_LONG)),
    # hollow green
    ("recommendations", "staging"): Place(stuck("crash", patience=PATIENCE), probe=False),
    ("catalogue", "dev"): Place(probe=False),
    ("warehouse-sync", "staging"): Place(replicas=0),
    ("shipping-rates", "staging"): Place(selects="shipping-rate"),
    # how old pods end
    ("payments-worker", "staging"): Place(updates(600), stops="killed", watched=True),
    ("invoicing", "staging"): Place(updates(600), stops="late", watched=True),
}
"""By service and environment; all others stay calm."""


class Fleet:
    """Installs the fleet and keeps its stories going."""

    def __init__(self, cluster: EmbeddedCluster, watched_from: float = 0.0) -> None:
        """`watched_from`: seconds of the cluster's time that pass before anybody can look."""
        self.cluster, self.watched_from = cluster, watched_from
        self._tasks: list[asyncio.Task[None]] = []

    def install(self) -> None:
        """Write the opening state."""
        self.cluster.faults.absent -= {*FLEET_GROUPS}
        for environment in (*ENVIRONMENTS, *kept.HOMES):
            settled.namespace(self.cluster, environment)
        for service in SERVICES:
            for environment in service.environments:
                self._place(service, environment, PLACES.get((service.name, environment), Place()))

    def start(self) -> None:
        """Let the stories begin, one after the other."""
        services = {service.name: service for service in SERVICES}
        for number, ((name, environment), place) in enumerate(PLACES.items()):
            if place.story is None:
                continue
            kind = "services" if place.pair is Pair.COLOURS else kind_of(services[name], environment)
            delay = 10.0 + (self.watched_from if place.watched else 5.0 * number)
            told = place.story(teller.Teller(self.cluster, name, environment, kind, delay=delay))
            self._tasks.append(asyncio.create_task(told))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _place(self, service: Service, environment: str, place: Place) -> None:
        live = environment == "production"
        kind = kind_of(service, environment)
        as_is = kind == service.kind
        labels = {
            "app.kubernetes.io/name": service.name,
            "app.kubernetes.io/part-of": service.part_of,
            "app.kubernetes.io/managed-by": "argocd",
            "team": service.team,
        }
        version = service.version
        if not live and place.story is None and PLACES.get((service.name, "production"), place).story:
            version = teller.newer(version)  # production's first release was here before
        past = tuple(f"{REGISTRY}/{service.name}:{teller.older(version, back)}" for back in (3, 2, 1))
        usual = service.replicas if live else max(1, service.replicas // 2)
        workload = Workload(
            name=service.name,
            namespace=environment,
            image=f"{REGISTRY}/{service.name}:{version}",
            replicas=usual if place.replicas is None else place.replicas,
            labels=labels,
            past=past,
            age=(400 if live else 420) * 24 * HOUR,
            settled_for=(service.changed if live else service.changed + 2) * HOUR,
            strategy=service.strategy if as_is else ROLLING,
            kind=kind,
            spec=({"progressDeadlineSeconds": 120} if kind in ("deployments", "rollouts") else {})
            | place.spec,
            probe=place.probe,
            ready_after=service.ready_after,
            stops=place.stops,
        )
        if place.keeper:
            workload = kept.marked(workload, place.keeper)
        if place.pair:
            pairs.place(self.cluster, workload, place.pair)
            return
        if kind != "daemonsets":
            self._service(service.name, environment, labels, app=place.selects)
        if as_is and "blueGreen" in service.strategy:
            self._service(f"{service.name}-preview", environment, labels, app=service.name)
        (settled_sets if kind in ("statefulsets", "daemonsets") else settled).place(self.cluster, workload)
        if place.keeper:
            kept.place(self.cluster, workload, place.keeper)

    def _service(self, name: str, environment: str, labels: dict[str, str], *, app: str = "") -> None:
        settled.service(self.cluster, name, environment, labels, {"app": app or name})


def kind_of(service: Service, environment: str) -> str:
    """The plural of the resource that runs a service in an environment."""
    return "deployments" if service.kind == "rollouts" and environment != "production" else service.kind


def asked(cluster: EmbeddedCluster, service: Service, environment: str) -> str:
    """The image that a service asks for in an environment; empty where it is not."""
    name = service.name
    if PLACES.get((name, environment), Place()).pair is Pair.COLOURS:
        name = pairs.live(cluster, environment, name)
    entry = cluster.store.get(kind_of(service, environment), environment, name)
    return str(entry.obj["spec"]["template"]["spec"]["containers"][0]["image"]) if entry else ""
