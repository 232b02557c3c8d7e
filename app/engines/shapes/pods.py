"""Pods and the templates they are made from."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from .meta import Annotations, Condition, Meta, Present, Shape


class Limits(Shape):
    """The most a container may use; a quantity as written ("512Mi", 1000000000)."""

    memory: str | int | float | None = None


class Resources(Shape):
    """What a container may use."""

    limits: Limits | None = None


class Container(Shape):
    """A container of a pod template."""

    name: str = ""
    image: str | None = None
    readiness_probe: Present | None = None
    resources: Resources | None = None


class PodSpec(Shape):
    """A pod spec, as far as it names images and the node."""

    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    node_name: str | None = None
    termination_grace_period_seconds: int | None = None


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
