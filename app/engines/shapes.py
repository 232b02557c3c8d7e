"""Kubernetes objects, as far as the board shows them: msgspec structs decoded straight from the API
server's bytes.

What is not named here never enters the process: managedFields, env values, last-applied configuration and
unknown annotations are dropped by the decoder itself. Every field may be absent or null, as in real
traffic; an absent number is 0 (the API omits empty fields). A wrong type raises `msgspec.ValidationError`,
so that one odd object can be set aside and named instead of read wrongly.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import field


class Shape(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """Base of all shapes: camelCase on the wire, never mutated once decoded, not tracked by the garbage
    collector (no cycles)."""


class Owner(Shape):
    """One owner reference."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Annotations(Shape):
    """The annotations that mean something to the board; the decoder drops all others."""

    revision: str | None = field(default=None, name="deployment.kubernetes.io/revision")
    revision_history: str | None = field(default=None, name="deployment.kubernetes.io/revision-history")
    change_cause: str | None = field(default=None, name="kubernetes.io/change-cause")
    rollout_revision: str | None = field(default=None, name="rollout.argoproj.io/revision")
    rollout_revision_history: str | None = field(default=None, name="rollout.argoproj.io/revision-history")
    workload_generation: str | None = field(default=None, name="rollout.argoproj.io/workload-generation")
    restarted_at: str | None = field(default=None, name="kubectl.kubernetes.io/restartedAt")
    argocd_tracking: str | None = field(default=None, name="argocd.argoproj.io/tracking-id")


class Meta(Shape):
    """Object metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: Annotations | None = None
    owner_references: list[Owner] | None = None

    @property
    def owner_uid(self) -> str:
        """Uid of the controlling owner, empty when there is none."""
        return next((o.uid for o in self.owner_references or () if o.controller), "")


class Present(Shape):
    """Something whose presence alone matters; its content is not decoded."""


class Condition(Shape):
    """One status condition. Times are the API's, with one second of resolution."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_update_time: datetime | None = None
    last_transition_time: datetime | None = None


class Container(Shape):
    """A container of a pod template."""

    name: str = ""
    image: str | None = None
    readiness_probe: Present | None = None


class PodSpec(Shape):
    """A pod spec, as far as it names images and the node."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    node_name: str | None = None


class TemplateMeta(Shape):
    """Metadata of a pod template."""

    labels: dict[str, str] | None = None
    annotations: Annotations | None = None


class Template(Shape):
    """A pod template."""

    metadata: TemplateMeta | None = None
    spec: PodSpec | None = None


class Waiting(Shape):
    """Why a container is not running yet."""

    reason: str | None = None
    message: str | None = None


class Running(Shape):
    """Since when a container runs."""

    started_at: datetime | None = None


class Terminated(Shape):
    """How a container ended."""

    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(Shape):
    """Exactly one of the three is set, or none before the kubelet has spoken."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(Shape):
    """What the kubelet says of one container."""

    name: str = ""
    ready: bool | None = None
    started: bool | None = None
    restart_count: int | None = None
    image: str | None = None
    image_id: str | None = field(default=None, name="imageID")
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodStatus(Shape):
    """A pod's status."""

    phase: str | None = None
    reason: str | None = None
    message: str | None = None
    start_time: datetime | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Pod(Shape):
    """A pod."""

    metadata: Meta
    spec: PodSpec | None = None
    status: PodStatus | None = None


class ReplicaSetSpec(Shape):
    """A ReplicaSet's spec."""

    replicas: int | None = None
    template: Template | None = None


class ReplicaSetStatus(Shape):
    """A ReplicaSet's status."""

    replicas: int | None = None
    ready_replicas: int | None = None
    available_replicas: int | None = None
    observed_generation: int | None = None
    conditions: list[Condition] | None = None


class ReplicaSet(Shape):
    """A ReplicaSet: one revision of a Deployment or a Rollout."""

    metadata: Meta
    spec: ReplicaSetSpec | None = None
    status: ReplicaSetStatus | None = None


class RollingUpdate(Shape):
    """Bounds of a rolling update: a number or a percentage, as written."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class DeploymentStrategy(Shape):
    """A Deployment's strategy."""

    type: str | None = None
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Shape):
    """A Deployment's spec."""

    replicas: int | None = None
    paused: bool | None = None
    template: Template | None = None
    strategy: DeploymentStrategy | None = None
    min_ready_seconds: int | None = None
    progress_deadline_seconds: int | None = None


class DeploymentStatus(Shape):
    """A Deployment's status. Counters are absent when zero."""

    observed_generation: int | None = None
    replicas: int | None = None
    updated_replicas: int | None = None
    ready_replicas: int | None = None
    available_replicas: int | None = None
    unavailable_replicas: int | None = None
    conditions: list[Condition] | None = None


class Deployment(Shape):
    """A native Deployment."""

    metadata: Meta
    spec: DeploymentSpec | None = None
    status: DeploymentStatus | None = None


class PauseStep(Shape):
    """A canary pause: without duration it waits for a person; a number, or a numeric string, is seconds."""

    duration: int | str | None = None


class CanaryStep(Shape):
    """One canary step; exactly one field is set on a valid Rollout."""

    set_weight: int | None = None
    pause: PauseStep | None = None
    set_canary_scale: dict[str, Any] | None = None
    analysis: Present | None = None
    experiment: Present | None = None
    set_header_route: Present | None = None
    set_mirror_route: Present | None = None
    plugin: Present | None = None


class TrafficRouting(Shape):
    """That a router splits the traffic, and the weight that means all of it."""

    max_traffic_weight: int | None = None


class Canary(Shape):
    """Canary strategy of an Argo Rollout."""

    steps: list[CanaryStep] | None = None
    traffic_routing: TrafficRouting | None = None
    canary_service: str | None = None
    stable_service: str | None = None


class BlueGreen(Shape):
    """Blue-green strategy of an Argo Rollout."""

    active_service: str | None = None
    preview_service: str | None = None
    auto_promotion_enabled: bool | None = None
    auto_promotion_seconds: int | None = None
    post_promotion_analysis: Present | None = None


class RolloutStrategy(Shape):
    """An Argo Rollout has one of the two."""

    canary: Canary | None = None
    blue_green: BlueGreen | None = None


class WorkloadReference(Shape):
    """The object a Rollout takes its template from."""

    kind: str | None = None
    name: str | None = None


class RolloutSpec(Shape):
    """An Argo Rollout's spec."""

    replicas: int | None = None
    paused: bool | None = None
    restart_at: datetime | None = None
    template: Template | None = None
    workload_ref: WorkloadReference | None = None
    strategy: RolloutStrategy | None = None
    progress_deadline_seconds: int | None = None


class PauseCondition(Shape):
    """Why and since when the Argo controller has paused."""

    reason: str | None = None
    start_time: datetime | None = None


class TrafficWeight(Shape):
    """One destination's share."""

    weight: int | None = None
    pod_template_hash: str | None = None


class TrafficWeights(Shape):
    """What the router was told; `verified` false: not confirmed."""

    canary: TrafficWeight | None = None
    stable: TrafficWeight | None = None
    verified: bool | None = None


class RunStatus(Shape):
    """Name, phase and message of an analysis run or experiment."""

    name: str | None = None
    status: str | None = None
    message: str | None = None


class CanaryStatus(Shape):
    """Canary part of an Argo Rollout's status."""

    weights: TrafficWeights | None = None
    current_step_analysis_run_status: RunStatus | None = None
    current_background_analysis_run_status: RunStatus | None = None


class BlueGreenStatus(Shape):
    """Blue-green part of an Argo Rollout's status."""

    active_selector: str | None = None
    preview_selector: str | None = None
    pre_promotion_analysis_run_status: RunStatus | None = None
    post_promotion_analysis_run_status: RunStatus | None = None


class RolloutDuration(Shape):
    """When the move to the current revision began; written by newer Argo controllers only."""

    rollout_started_at: datetime | None = None


class RolloutStatus(Shape):
    """An Argo Rollout's status. `observedGeneration` is a string there."""

    phase: str | None = None
    message: str | None = None
    observed_generation: str | None = None
    workload_observed_generation: str | None = None
    current_pod_hash: str | None = None
    stable_rs: str | None = field(default=None, name="stableRS")
    current_step_index: int | None = None
    abort: bool | None = None
    aborted_at: datetime | None = None
    pause_conditions: list[PauseCondition] | None = None
    controller_pause: bool | None = None
    promote_full: bool | None = None
    duration: RolloutDuration | None = None
    restarted_at: datetime | None = None
    replicas: int | None = None
    updated_replicas: int | None = None
    ready_replicas: int | None = None
    available_replicas: int | None = None
    conditions: list[Condition] | None = None
    canary: CanaryStatus | None = None
    blue_green: BlueGreenStatus | None = None


class Rollout(Shape):
    """An Argo Rollout."""

    metadata: Meta
    spec: RolloutSpec | None = None
    status: RolloutStatus | None = None


Root = Deployment | Rollout
