"""Workloads that have been there for a while: written at once as finished objects, ages in the past.

The controllers find nothing to do on them (or, when `quiet`, are not even told). Used by the bench to fill a
cluster in seconds and by the fleet for its opening state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.demo import defaults, rollout_status, settled_pods, shapes
from app.demo.clock import stamp
from app.demo.registry import field_set, managed
from app.demo.resources import BY_PLURAL, Resource
from app.demo.store import Entry, encode

if TYPE_CHECKING:
    from app.demo.cluster import EmbeddedCluster

Obj = dict[str, Any]
HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What to set up. `past`: older images, oldest first, that stay as revisions. `age` in seconds. `kind`:
    the plural of its resource. `stops`: how its pods exceed their grace period ("killed", "late"). `notes`:
    annotations. `chosen`: labels by which it chooses its pods, where they are more than its name."""

    name: str
    namespace: str
    image: str
    replicas: int = 3
    labels: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    past: tuple[str, ...] = ()
    age: float = 30 * 24 * HOUR
    settled_for: float = 26 * HOUR
    strategy: Obj = field(default_factory=dict)
    kind: str = "deployments"
    probe: bool = True
    ready_after: float = 3.0
    stops: str = ""
    spec: Obj = field(default_factory=dict)

    @property
    def rollout(self) -> bool:
        return self.kind == "rollouts"

    @property
    def own(self) -> dict[str, str]:
        """The labels that tell its pods from those of others."""
        return self.chosen or {"app": self.name}

    def written(self, number: int, count: int, now: float) -> str:
        """When revision `number` of `count` was made: spread between birth and the last change, so that a
        history has dates."""
        if count == 1:
            return stamp(now - self.settled_for)
        return stamp(now - self.age + (self.age - self.settled_for) * (number - 1) / (count - 1))


def template(workload: Workload, image: str) -> Obj:
    """The pod template of a workload at an image, with the usual luggage."""
    container: Obj = {
        "name": workload.own["app"],
        "image": image,
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "SERVICE_NAME", "value": workload.name},
            {"name": "DATABASE_HOST", "value": f"{workload.name}-db.{workload.namespace}.svc.cluster.local"},
            {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel-collector.observability:4317"},
            {
                "name": "DATABASE_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": f"{workload.name}-db", "key": "password"}},
            },
        ],
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
    }
    if workload.probe:
        container["readinessProbe"] = {
            "httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"},
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        }
    annotations = {"hollow/ready-after": f"{workload.ready_after:g}", "prometheus.io/scrape": "true"}
    if workload.stops:
        annotations["hollow/exceed-grace"] = workload.stops
    spec: Obj = {"containers": [container], "terminationGracePeriodSeconds": 10 if workload.stops else 30}
    made: Obj = {
        "metadata": {"labels": {**workload.own, **workload.labels}, "annotations": annotations},
        "spec": spec,
    }
    defaults.pod_spec(spec)
    return made


def namespace(cluster: EmbeddedCluster, name: str) -> None:
    """A namespace, if it is not there yet."""
    if cluster.store.get("namespaces", "", name) is None:
        cluster.registry.create(
            "namespaces", {"metadata": {"name": name}}, manager="kubectl-create", quiet=True
        )


def service(
    cluster: EmbeddedCluster,
    name: str,
    namespace: str,
    labels: dict[str, str],
    selector: dict[str, str],
    **notes: str,
) -> None:
    """A Service."""
    meta: Obj = {"name": name, "namespace": namespace, "labels": labels}
    if notes:
        meta["annotations"] = notes
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    body: Obj = {"metadata": meta, "spec": {"selector": selector, "ports": ports}}
    cluster.registry.create("services", body, manager="argocd-controller")


def deployment(
    cluster: EmbeddedCluster, namespace: str, name: str, replicas: int, *, quiet: bool = False
) -> None:
    """A plain settled Deployment, for load."""
    image = f"ghcr.io/acme/{name}:1.{len(name)}.0"
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "load", "team": "bench"}
    place(
        cluster,
        Workload(name=name, namespace=namespace, image=image, replicas=replicas, labels=labels),
        quiet=quiet,
    )


def place(cluster: EmbeddedCluster, workload: Workload, *, quiet: bool = False) -> Entry:
    """Write a workload with its revisions and its ready pods. Returns the workload's entry."""
    store, now = cluster.store, cluster.clock.now()
    born, changed = stamp(now - workload.age), stamp(now - workload.settled_for)
    images = [*workload.past, workload.image]
    templates = [template(workload, image) for image in images]
    hashes = [shapes.template_hash(item) for item in templates]
    owner = _owner(cluster, workload, templates[-1], hashes[-1], len(images), born, changed)
    entry = store.create(workload.kind, owner, quiet=quiet)
    for number, (made, hashed) in enumerate(zip(templates, hashes, strict=True), start=1):
        last = number == len(images)
        created = workload.written(number, len(images), now)
        replica_set = settled_pods.replica_set(
            entry, workload, made, hashed, number, workload.replicas if last else 0, created
        )
        placed = store.create("replicasets", replica_set, quiet=quiet)
        if last:
            settled_pods.pods(cluster, placed, workload.replicas, changed, quiet)
    return entry


def _owner(
    cluster: EmbeddedCluster,
    workload: Workload,
    made: Obj,
    hashed: str,
    revision: int,
    born: str,
    changed: str,
) -> Obj:
    resource = BY_PLURAL[workload.kind]
    spec: Obj = {
        "replicas": workload.replicas,
        "selector": {"matchLabels": workload.own},
        "template": made,
        "strategy": workload.strategy,
        "revisionHistoryLimit": 5,
        **workload.spec,
    }
    revision_key = "rollout.argoproj.io/revision" if workload.rollout else "deployment.kubernetes.io/revision"
    obj = bare(workload, spec, born, revision, {revision_key: str(revision)})
    name = f"{workload.name}-{hashed}"
    if workload.rollout:
        obj["status"] = rollout_status.settled_status(
            workload.replicas, workload.name, workload.strategy, hashed, revision, changed
        )
    else:
        defaults.fill(resource, obj)
        count = workload.replicas
        obj["status"] = {
            "observedGeneration": revision,
            "replicas": count,
            "updatedReplicas": count,
            "readyReplicas": count,
            "availableReplicas": count,
            "terminatingReplicas": 0,
            "conditions": [
                {
                    "type": "Available",
                    "status": "True",
                    "lastUpdateTime": born,
                    "lastTransitionTime": born,
                    "reason": "MinimumReplicasAvailable",
                    "message": "Deployment has minimum availability.",
                },
                {
                    "type": "Progressing",
                    "status": "True",
                    "lastUpdateTime": changed,
                    "lastTransitionTime": born,
                    "reason": "NewReplicaSetAvailable",
                    "message": f'ReplicaSet "{name}" has successfully progressed.',
                },
            ],
        }
    signed(obj, resource, born, changed, "rollouts-controller" if workload.rollout else settled_pods.MANAGER)
    return obj


def bare(workload: Workload, spec: Obj, born: str, generation: int, annotations: dict[str, str]) -> Obj:
    """A workload's object without its status, as `kubectl apply` left it."""
    resource = BY_PLURAL[workload.kind]
    meta: Obj = {
        "name": workload.name,
        "namespace": workload.namespace,
        "creationTimestamp": born,
        "generation": generation,
        "labels": {**workload.own, **workload.labels},
    }
    applied = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": spec}
    luggage = {
        **annotations,
        **workload.notes,
        "kubectl.kubernetes.io/last-applied-configuration": encode(applied).decode() + "\n",
        "kubernetes.io/change-cause": f"release {workload.image.rpartition(':')[2]}",
    }
    return {"metadata": {**meta, "annotations": luggage}, "spec": spec}


def signed(obj: Obj, resource: Resource, born: str, changed: str, controller: str) -> None:
    """managedFields: kubectl's on what it applied, the controller's on the status."""
    meta = {key: obj["metadata"][key] for key in ("name", "namespace", "labels")}
    fields = field_set({"metadata": meta, "spec": obj["spec"]}, depth=10)
    status = {"f:status": field_set(obj["status"], depth=6)}
    obj["metadata"]["managedFields"] = [
        managed(resource, "kubectl-client-side-apply", born, fields),
        managed(resource, controller, changed, status, "status"),
    ]
