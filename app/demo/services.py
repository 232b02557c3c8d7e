"""The services of the demo's fleet as data: named teams, their versions, how each ships. How they stand and what
happens to them is in `fleet`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]
ENVIRONMENTS = ("dev", "staging", "production")
_USUAL = ENVIRONMENTS[1:]
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

    `kind`: the plural of its resource; Rollouts are Deployments elsewhere."""

    name: str
    team: str
    part_of: str
    version: str
    replicas: int
    strategy: Obj
    kind: str = "deployments"
    changed: float = 24.0  # hours since production last changed
    ready_after: float = 4.0
    environments: tuple[str, ...] = _USUAL


SERVICES = (
    Service("checkout-api", "checkout", "shop", "4.19.0", 8, GATED, kind="rollouts", changed=3),
    Service("storefront-web", "web", "shop", "2026.47.2", 6, ROLLING, changed=0.5, environments=ENVIRONMENTS),
    Service("pricing", "pricing", "shop", "1.32.4", 3, blue_green("pricing"), kind="rollouts", changed=21),
    Service("cart", "checkout", "shop", "3.8.1", 5, TIMED, kind="rollouts", changed=5),
    Service(
        "notifications", "messaging", "platform", "0.93.0", 4, ROLLING, changed=50, environments=ENVIRONMENTS
    ),
    Service(
        "recommendations", "discovery", "shop", "7.2.0", 3, ROLLING, changed=30, environments=ENVIRONMENTS
    ),
    Service("search-indexer", "discovery", "shop", "5.11.3", 3, ROLLING, changed=74),
    Service("payments-worker", "payments", "payments", "2.40.7", 4, ROLLING, changed=120),
    Service("invoicing", "payments", "payments", "1.17.0", 2, ROLLING, changed=340),
    Service("identity", "platform", "platform", "9.4.2", 4, ROLLING, changed=96, environments=ENVIRONMENTS),
    Service("catalogue", "discovery", "shop", "6.0.5", 4, ROLLING, changed=48, environments=ENVIRONMENTS),
    Service("shipping-rates", "logistics", "fulfilment", "2.2.9", 2, ROLLING, changed=190),
    Service("search-index", "discovery", "shop", "8.14.1", 4, PARTED, kind="statefulsets", ready_after=12),
    Service(
        "log-shipper",
        "platform",
        "platform",
        "3.2.0",
        0,
        EACH_NODE,
        kind="daemonsets",
        changed=70,
        environments=ENVIRONMENTS,
    ),
    Service("warehouse-sync", "logistics", "fulfilment", "1.5.1", 2, ROLLING, changed=260),
    Service("thumbnails", "media", "shop", "2.8.3", 3, ROLLING, changed=60, environments=ENVIRONMENTS),
    Service(
        "fraud-scoring", "payments", "payments", "1.9.2", 2, ROLLING, changed=144, environments=ENVIRONMENTS
    ),
    Service("reviews", "discovery", "shop", "3.3.1", 3, ROLLING, changed=31),
    Service("loyalty", "checkout", "shop", "1.12.0", 2, ROLLING, changed=210),
    Service("tax-rates", "payments", "payments", "2.5.4", 2, ROLLING, changed=400),
    Service("addresses", "logistics", "fulfilment", "4.1.7", 2, ROLLING, changed=88),
    Service("feature-flags", "platform", "platform", "5.0.3", 3, ROLLING, changed=17),
)
