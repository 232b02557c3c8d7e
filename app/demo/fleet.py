"""The demo's fleet: a dozen services of named teams in staging and production, most calm, some with a
story.

Everything here is data; how a story goes is in `stories`. Ages lie in the past, so that the board has a
history.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.demo import settled, settled_sets, stories
from app.demo.settled import HOUR, Workload

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]
REGISTRY = "ghcr.io/acme"
ENVIRONMENTS = ("staging", "production")
ROLLING: Obj = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
GATED: Obj = {
    "canary": {
        "maxSurge": 1,
        "maxUnavailable": 0,
        "steps": [
            {"setWeight": 5},
            {"pause": {"duration": "20s"}},
            {"setWeight": 25},
            {"pause": {}},
            {"setWeight": 50},
            {"pause": {"duration": "30s"}},
            {"setWeight": 100},
        ],
    }
}
TIMED: Obj = {
    "canary": {
        "maxSurge": 1,
        "maxUnavailable": 0,
        "steps": [
            {"setWeight": 20},
            {"pause": {"duration": "45s"}},
            {"setWeight": 60},
            {"pause": {"duration": "1m"}},
        ],
    }
}


PARTED: Obj = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
EACH_NODE: Obj = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def blue_green(name: str) -> Obj:
    return {
        "blueGreen": {
            "activeService": name,
            "previewService": f"{name}-preview",
            "autoPromotionEnabled": False,
            "scaleDownDelaySeconds": 60,
        }
    }


@dataclass(frozen=True, slots=True)
class Service:
    """A service: who owns it, its version (major.minor.patch) and how it ships in production.

    `kind`: the plural of its resource; Rollouts are Deployments in staging."""

    name: str
    team: str
    part_of: str
    version: str
    replicas: int
    strategy: Obj
    kind: str = "deployments"
    changed: float = 24.0  # hours since production last changed
    ready_after: float = 4.0


SERVICES = (
    Service("checkout-api", "checkout", "shop", "4.19.0", 8, GATED, kind="rollouts", changed=3),
    Service("storefront-web", "web", "shop", "2026.47.2", 6, ROLLING, changed=0.5),
    Service("pricing", "pricing", "shop", "1.32.4", 3, blue_green("pricing"), kind="rollouts", changed=21),
    Service("cart", "checkout", "shop", "3.8.1", 5, TIMED, kind="rollouts", changed=5),
    Service("notifications", "messaging", "platform", "0.93.0", 4, ROLLING, changed=50),
    Service("recommendations", "discovery", "shop", "7.2.0", 3, ROLLING, changed=30),
    Service("search-indexer", "discovery", "shop", "5.11.3", 3, ROLLING, changed=74),
    Service("payments-worker", "payments", "payments", "2.40.7", 4, ROLLING, changed=120),
    Service("invoicing", "payments", "payments", "1.17.0", 2, ROLLING, changed=340),
    Service("identity", "platform", "platform", "9.4.2", 4, ROLLING, changed=96),
    Service("catalogue", "discovery", "shop", "6.0.5", 4, ROLLING, changed=48),
    Service("shipping-rates", "logistics", "fulfilment", "2.2.9", 2, ROLLING, changed=190),
    Service("search-index", "discovery", "shop", "8.14.1", 4, PARTED, kind="statefulsets", ready_after=12),
    Service("log-shipper", "platform", "platform", "3.2.0", 0, EACH_NODE, kind="daemonsets", changed=70),
    Service("warehouse-sync", "logistics", "fulfilment", "1.5.1", 2, ROLLING, changed=260),
)
# (service, environment, story); everything else stays calm
STORIES = (
    ("checkout-api", "production", stories.gated_canary),
    ("storefront-web", "production", stories.rolling),
    ("pricing", "production", stories.switch),
    ("cart", "production", stories.timed_canary),
    ("notifications", "production", stories.bad_release),
    ("recommendations", "staging", stories.crash_after),
    ("payments-worker", "staging", stories.rolling),
    ("search-index", "production", stories.partitioned),
    ("log-shipper", "production", stories.quiet),
)


class Fleet:
    """Installs the fleet and keeps its stories going."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self._tasks: list[asyncio.Task[None]] = []

    def install(self) -> None:
        """Write the opening state."""
        for environment in ENVIRONMENTS:
            settled.namespace(self.cluster, environment)
            for service in SERVICES:
                self._place(service, environment)

    def start(self) -> None:
        kinds = {service.name: service for service in SERVICES}
        for number, (name, environment, story) in enumerate(STORIES):
            kind = kind_of(kinds[name], environment)
            teller = stories.Teller(self.cluster, name, environment, kind, delay=4.0 + 5.0 * number)
            self._tasks.append(asyncio.create_task(story(teller)))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _place(self, service: Service, environment: str) -> None:
        live = environment == "production"
        kind = kind_of(service, environment)
        as_is = kind == service.kind
        labels = {
            "app.kubernetes.io/name": service.name,
            "app.kubernetes.io/part-of": service.part_of,
            "app.kubernetes.io/managed-by": "argocd",
            "team": service.team,
        }
        past = tuple(
            f"{REGISTRY}/{service.name}:{stories.older(service.version, back)}" for back in (3, 2, 1)
        )
        crashing = (service.name, environment, stories.crash_after) in STORIES
        workload = Workload(
            name=service.name,
            namespace=environment,
            image=f"{REGISTRY}/{service.name}:{service.version}",
            replicas=service.replicas if live else max(1, service.replicas // 2),
            labels=labels,
            past=past,
            age=(400 if live else 420) * 24 * HOUR,
            settled_for=(service.changed if live else service.changed + 2) * HOUR,
            strategy=service.strategy if as_is else ROLLING,
            kind=kind,
            spec={"progressDeadlineSeconds": 120} if kind in ("deployments", "rollouts") else {},
            probe=not crashing,
            ready_after=service.ready_after,
        )
        if kind != "daemonsets":
            self._service(service.name, environment, labels)
        if as_is and "blueGreen" in service.strategy:
            self._service(f"{service.name}-preview", environment, labels, app=service.name)
        (settled_sets if kind in ("statefulsets", "daemonsets") else settled).place(self.cluster, workload)

    def _service(self, name: str, environment: str, labels: dict[str, str], *, app: str = "") -> None:
        body: Obj = {
            "metadata": {"name": name, "namespace": environment, "labels": labels},
            "spec": {
                "selector": {"app": app or name},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            },
        }
        self.cluster.registry.create("services", body, manager="argocd-controller")


def kind_of(service: Service, environment: str) -> str:
    """The plural of the resource that runs a service in an environment."""
    return "deployments" if service.kind == "rollouts" and environment != "production" else service.kind
