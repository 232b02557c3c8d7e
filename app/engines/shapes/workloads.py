"""The native workloads of apps/v1 and their revisions."""

from __future__ import annotations

from .meta import Condition, Meta, Shape
from .pods import Template


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
    conditions: list[Condition] | None = None


class Deployment(Shape):
    """A native Deployment."""

    metadata: Meta
    spec: DeploymentSpec | None = None
    status: DeploymentStatus | None = None


class RollingPods(Shape):
    """Bounds of a rolling update of a StatefulSet (`partition`, `maxUnavailable`) or a DaemonSet (`maxSurge`,
    `maxUnavailable`)."""

    partition: int | None = None
    max_unavailable: int | str | None = None
    max_surge: int | str | None = None


class UpdateStrategy(Shape):
    """How a StatefulSet or a DaemonSet takes a new template: "RollingUpdate" or "OnDelete"."""

    type: str | None = None
    rolling_update: RollingPods | None = None


class Ordinals(Shape):
    """The number of a StatefulSet's first pod."""

    start: int | None = None


class StatefulSetSpec(Shape):
    """A StatefulSet's spec. `podManagementPolicy`: "OrderedReady" (also when absent) or "Parallel"."""

    replicas: int | None = None
    template: Template | None = None
    update_strategy: UpdateStrategy | None = None
    pod_management_policy: str | None = None
    min_ready_seconds: int | None = None
    ordinals: Ordinals | None = None


class StatefulSetStatus(Shape):
    """A StatefulSet's status. The revisions are names of ControllerRevisions and labels of pods."""

    observed_generation: int | None = None
    replicas: int | None = None
    ready_replicas: int | None = None
    available_replicas: int | None = None
    updated_replicas: int | None = None
    current_revision: str | None = None
    update_revision: str | None = None
    conditions: list[Condition] | None = None


class StatefulSet(Shape):
    """A StatefulSet."""

    metadata: Meta
    spec: StatefulSetSpec | None = None
    status: StatefulSetStatus | None = None


class DaemonSetSpec(Shape):
    """A DaemonSet's spec."""

    template: Template | None = None
    update_strategy: UpdateStrategy | None = None
    min_ready_seconds: int | None = None


class DaemonSetStatus(Shape):
    """A DaemonSet's status; of several pods on one node the oldest is counted."""

    observed_generation: int | None = None
    current_number_scheduled: int | None = None
    desired_number_scheduled: int | None = None
    updated_number_scheduled: int | None = None
    number_misscheduled: int | None = None
    number_ready: int | None = None
    number_available: int | None = None
    conditions: list[Condition] | None = None


class DaemonSet(Shape):
    """A DaemonSet."""

    metadata: Meta
    spec: DaemonSetSpec | None = None
    status: DaemonSetStatus | None = None


class RevisionSpec(Shape):
    """The part of a set's spec that a ControllerRevision keeps."""

    template: Template | None = None


class RevisionData(Shape):
    """What a ControllerRevision of a StatefulSet or DaemonSet holds."""

    spec: RevisionSpec | None = None


class ControllerRevision(Shape):
    """One revision of a StatefulSet or DaemonSet; `revision`, the number kubectl prints, changes when an
    undo takes it into use again."""

    metadata: Meta
    data: RevisionData | None = None
    revision: int | None = None
