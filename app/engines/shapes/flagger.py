"""Flagger's Canary (flagger.app/v1beta1)."""

from __future__ import annotations

from datetime import datetime

from .meta import Condition, Meta, Present, Shape


class TargetRef(Shape):
    """The object that Flagger watches for changes, and runs as the canary."""

    kind: str | None = None
    name: str | None = None


class FlaggerMetric(Shape):
    """One metric of a canary analysis."""

    name: str = ""


class FlaggerWebhook(Shape):
    """One hook of a canary analysis. `type` tells gates apart: "confirm-rollout", "confirm-promotion" ..."""

    name: str = ""
    type: str | None = None


class CanaryAnalysis(Shape):
    """How Flagger judges a change: weights or iterations, checks that may fail, gates. `interval` in Go's
    notation."""

    interval: str | None = None
    threshold: int | None = None
    max_weight: int | None = None
    step_weight: int | None = None
    step_weights: list[int] | None = None
    iterations: int | None = None
    match: list[Present] | None = None
    metrics: list[FlaggerMetric] | None = None
    webhooks: list[FlaggerWebhook] | None = None


class FlaggerService(Shape):
    """The Service that Flagger makes, where it is not named like the target."""

    name: str | None = None


class FlaggerSpec(Shape):
    """A Flagger Canary's spec; `canaryAnalysis` is the older name of `analysis`."""

    target_ref: TargetRef | None = None
    provider: str | None = None
    service: FlaggerService | None = None
    analysis: CanaryAnalysis | None = None
    canary_analysis: CanaryAnalysis | None = None
    progress_deadline_seconds: int | None = None
    suspend: bool | None = None


class FlaggerStatus(Shape):
    """A Flagger Canary's status. It has no observedGeneration; the two specs are hashes of templates."""

    phase: str | None = None
    failed_checks: int | None = None
    canary_weight: int | None = None
    iterations: int | None = None
    last_applied_spec: str | None = None
    last_transition_time: datetime | None = None
    conditions: list[Condition] | None = None


class FlaggerCanary(Shape):
    """A Flagger Canary."""

    metadata: Meta
    spec: FlaggerSpec | None = None
    status: FlaggerStatus | None = None
