"""Argo Rollouts (argoproj.io/v1alpha1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import field

from .meta import Condition, Meta, Present, Shape
from .pods import Template


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
    analysis: Present | None = None


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
    min_ready_seconds: int | None = None


class PauseCondition(Shape):
    """Why and since when the Argo controller has paused."""

    reason: str | None = None
    start_time: datetime | None = None


class TrafficWeight(Shape):
    """One destination's share."""

    weight: int | None = None


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
    current_experiment: str | None = None


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


class Metric(Shape):
    """One metric of an analysis run, as asked: conditions and limits. A limit may be a number or its text."""

    name: str = ""
    success_condition: str | None = None
    failure_condition: str | None = None
    failure_limit: int | str | None = None
    inconclusive_limit: int | str | None = None
    consecutive_error_limit: int | str | None = None
    count: int | str | None = None


class Measurement(Shape):
    """One measurement of a metric."""

    phase: str | None = None
    value: str | None = None
    message: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class MetricResult(Shape):
    """What came of one metric. `measurements` are the newest ones, oldest first."""

    name: str = ""
    phase: str | None = None
    message: str | None = None
    count: int | None = None
    successful: int | None = None
    failed: int | None = None
    inconclusive: int | None = None
    error: int | None = None
    consecutive_error: int | None = None
    dry_run: bool | None = None
    measurements: list[Measurement] | None = None


class AnalysisRunSpec(Shape):
    """What an analysis run measures."""

    metrics: list[Metric] | None = None


class AnalysisRunStatus(Shape):
    """How an analysis run stands: Pending, Running, Successful, Failed, Error or Inconclusive."""

    phase: str | None = None
    message: str | None = None
    started_at: datetime | None = None
    metric_results: list[MetricResult] | None = None


class AnalysisRun(Shape):
    """An analysis run. Label `rollout-type` says of what: Background, Step, PrePromotion, PostPromotion."""

    metadata: Meta
    spec: AnalysisRunSpec | None = None
    status: AnalysisRunStatus | None = None


class ExperimentTemplate(Shape):
    """One ReplicaSet of an experiment."""

    name: str = ""
    status: str | None = None
    message: str | None = None
    replicas: int | None = None
    available_replicas: int | None = None


class ExperimentRun(Shape):
    """One analysis run of an experiment."""

    name: str = ""
    analysis_run: str | None = None
    phase: str | None = None
    message: str | None = None


class ExperimentStatus(Shape):
    """How an experiment stands; its phases are those of an analysis run."""

    phase: str | None = None
    message: str | None = None
    analysis_runs: list[ExperimentRun] | None = None


class Experiment(Shape):
    """An Argo Rollouts experiment: ReplicaSets beside the rollout's own, for a while."""

    metadata: Meta
    status: ExperimentStatus | None = None
