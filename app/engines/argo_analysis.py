"""What an Argo Rollout is judged by: analysis runs and experiments, as checks and problems.

A Rollout's status names the runs that count and repeats how they stand; the runs themselves, where they may
be looked at, tell metric, value and limit. Defaults of limits: 0, consecutive errors 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..domain.names import cut
from ..domain.rollout import Check, Problem
from . import reading
from .port import Kin
from .shapes import AnalysisRun, Experiment, Measurement, Metric, MetricResult, RolloutStatus, RunStatus

HASH = "rollouts-pod-template-hash"
"""Label of ReplicaSets, pods and runs: their revision."""
CONSECUTIVE_ERRORS = 4
"""`consecutiveErrorLimit` when absent."""
_BAD = frozenset({"Failed", "Error", "Inconclusive"})


def named(status: RolloutStatus) -> tuple[RunStatus, ...]:
    """The runs that a Rollout's status names, the deciding one first."""
    canary, blue_green = status.canary, status.blue_green
    told = (
        canary.current_step_analysis_run_status if canary else None,
        blue_green.post_promotion_analysis_run_status if blue_green else None,
        blue_green.pre_promotion_analysis_run_status if blue_green else None,
        canary.current_background_analysis_run_status if canary else None,
    )
    return tuple(run for run in told if run is not None)


def checks(status: RolloutStatus, kin: Kin) -> tuple[Check, ...]:
    """Every metric of the runs that count; a run that cannot be looked at is one check, named like it."""
    by_name = {run.metadata.name: run for run in kin.runs}
    found: list[Check] = []
    latest = _latest(status, kin)
    for told in named(status) or ((_told(latest),) if latest else ()):
        run = by_name.get(told.name or "")
        if run is None or not (run.status and run.status.metric_results):
            found.append(_bare(told.name, told.status, told.message))
        else:
            found += _metrics(run)
    experiment = _experiment(status, kin)
    if experiment is not None and experiment.status is not None:
        said = experiment.status
        found.append(_bare(experiment.metadata.name, said.phase, said.message))
        for part in said.analysis_runs or ():
            inner = by_name.get(part.analysis_run or "")
            if inner is not None:
                found += _metrics(inner)
            else:
                found.append(_bare(part.name, part.phase, part.message))
    return tuple(found)


def problems(status: RolloutStatus, aborted: bool, kin: Kin) -> Iterable[Problem]:
    """Why the deciding run went wrong; nothing while it goes well. A Rollout that was aborted for a run soon
    forgets it."""
    told = next(iter(named(status)), None)
    latest = _latest(status, kin) if aborted else None
    told = _told(latest) if told is None and latest is not None else told
    if told is None or told.status not in _BAD:
        return
    run = next((r for r in kin.runs if r.metadata.name == told.name), None)
    text = told.message or f"Analysis {told.status.lower()}"
    said, since = "", None
    if run is not None:
        worst = next((c for c in _metrics(run) if c.phase == told.status.lower()), None)
        since = _ended(run)
        if worst is not None:
            said = _measured(worst)
    yield Problem("analysis", told.status, cut(text), 0, since, cut(said))


def _metrics(run: AnalysisRun) -> Iterable[Check]:
    asked = {metric.name: metric for metric in (run.spec.metrics if run.spec else None) or ()}
    for result in (run.status.metric_results if run.status else None) or ():
        if not result.dry_run:
            yield _check(result, asked.get(result.name) or Metric())


def _latest(status: RolloutStatus, kin: Kin) -> AnalysisRun | None:
    """The newest run of the revision that is on its way, or was given up."""
    current = status.current_pod_hash
    if not current or current == status.stable_rs:
        return None
    runs = [r for r in kin.runs if (r.metadata.labels or {}).get(HASH) == current]
    return max(runs, key=_age, default=None)


def _age(run: AnalysisRun) -> tuple[float, str]:
    made = run.metadata.creation_timestamp
    return made.timestamp() if made else 0.0, run.metadata.name


def _told(run: AnalysisRun) -> RunStatus:
    said = run.status
    return RunStatus(
        name=run.metadata.name, status=said.phase if said else None, message=said.message if said else None
    )


def _check(result: MetricResult, asked: Metric) -> Check:
    phase = result.phase or "Pending"
    bad, limit = result.failed or 0, _limit(asked.failure_limit, 0)
    if phase == "Inconclusive":
        bad, limit = result.inconclusive or 0, _limit(asked.inconclusive_limit, 0)
    elif phase == "Error":
        bad = result.consecutive_error or 0
        limit = _limit(asked.consecutive_error_limit, CONSECUTIVE_ERRORS)
    newest = result.measurements[-1] if result.measurements else Measurement()
    return Check(
        name=cut(result.name, 100),
        phase=cut(phase.lower(), 30),
        value=cut(newest.value or "", 100),
        condition=cut(asked.success_condition or asked.failure_condition or "", 200),
        bad=bad,
        limit=limit,
        message=cut(result.message or newest.message or "", 300),
    )


def _bare(name: str | None, phase: str | None, message: str | None) -> Check:
    return Check(
        cut(name or "analysis", 100), cut((phase or "Pending").lower(), 30), message=cut(message or "", 300)
    )


def _measured(check: Check) -> str:
    value = f" was {check.value}" if check.value else ""
    wanted = f", must be {check.condition}" if check.condition else ""
    tolerated = "" if check.limit is None else f" (tolerated: {check.limit})"
    why = f". {check.message}" if check.message else ""
    return f"{check.name}{value}{wanted}; {check.bad} bad{tolerated}{why}"


def _experiment(status: RolloutStatus, kin: Kin) -> Experiment | None:
    name = status.canary.current_experiment if status.canary else None
    return next((e for e in kin.experiments if name and e.metadata.name == name), None)


def _limit(written: int | str | None, otherwise: int) -> int | None:
    if written is None:
        return otherwise
    return written if isinstance(written, int) else reading.number(written)


def _ended(run: AnalysisRun) -> datetime | None:
    results = (run.status.metric_results if run.status else None) or ()
    ends = [m.finished_at for r in results for m in r.measurements or () if m.phase in _BAD and m.finished_at]
    return min(ends, default=None)
