"""What a state that looks good may hide, and how old pods ended: no failures, but worth knowing.

Hollow green: pods that count as ready untested, nothing running at all, a Service that leads nowhere, pods
that come back each time they crash. Shutdown proof: old pods that had to be killed. What could not be looked
at is never taken for absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ..domain.rollout import Caution, CautionKind, Phase, Pod, PodCondition, PodCounts
from . import shapes
from .kinship import named_by
from .port import Kin
from .reading import condition, count, spell

KILLED = 137
"""Exit code of a process that SIGKILL ended (128 + 9)."""
_NO_PROOF = frozenset({"OOMKilled", "ContainerStatusUnknown"})


def of_workload(
    template: shapes.Template | None, phase: Phase, counts: PodCounts, pods: Sequence[Pod], kin: Kin
) -> tuple[Caution, ...]:
    """All cautions about a workload; `template` is the one it runs."""
    found = []
    if phase is Phase.IDLE and counts.wanted <= 0:
        found.append(Caution(CautionKind.NO_REPLICAS, "Nothing runs: it is scaled to zero"))
    if phase is not Phase.PENDING and counts.wanted > 0 and _untested(template):
        found.append(
            Caution(CautionKind.NO_PROBE, "Ready means only that it runs: it has no readiness probe")
        )
    if phase is Phase.IDLE and counts.available > 0:
        found += _leads_nowhere(kin)
    return (*found, *_restarting(pods, kin), *_endings(pods, kin))


def _untested(template: shapes.Template | None) -> bool:
    containers = template.spec.containers if template is not None and template.spec is not None else None
    return bool(containers) and all(c.readiness_probe is None for c in containers or ())


def _leads_nowhere(kin: Kin) -> Iterable[Caution]:
    for service in kin.services:
        name = ("Service", service.metadata.name)
        slices = [s for s in kin.slices if name in named_by(s)]
        if slices and not any(ready(e) for s in slices for e in s.endpoints or ()):
            text = f"Service {service.metadata.name} has no ready endpoint"
            yield Caution(CautionKind.NO_ENDPOINTS, text)


def ready(endpoint: shapes.Endpoint) -> bool:
    """Whether an endpoint takes traffic; what says nothing does."""
    said = endpoint.conditions
    return said is None or said.ready is None or said.ready


def _restarting(pods: Sequence[Pod], kin: Kin) -> Iterable[Caution]:
    """Pods of the newest revision that are ready, and were not ended cleanly before."""
    again = [p for p in pods if p.new and p.condition is PodCondition.READY and p.restarts and p.message]
    if not again:
        return
    worst = min(again, key=lambda p: (-p.restarts, p.name))
    shaped = next((p for p in kin.pods if p.metadata.name == worst.name), None)
    ends = [e.finished_at for e in _last_ends(shaped) if e.finished_at]
    noun = "pod is" if len(again) == 1 else "pods are"
    text = f"{len(again)} {noun} ready after restarts. {worst.message}"
    yield Caution(CautionKind.RESTARTS, text, len(again), min(ends, default=None))


def _last_ends(pod: shapes.Pod | None) -> Iterable[shapes.Terminated]:
    for container in (pod.status.container_statuses or ()) if pod is not None and pod.status else ():
        if container.last_state is not None and container.last_state.terminated is not None:
            yield container.last_state.terminated


def _endings(pods: Sequence[Pod], kin: Kin) -> Iterable[Caution]:
    """Old pods that ended by SIGKILL, or after the time they were given."""
    old = {p.name for p in pods if p.condition is PodCondition.ENDING and not p.new}
    ending = [p for p in kin.pods if p.metadata.name in old and p.metadata.deletion_timestamp is not None]
    killed = [p for p in ending if _killed(p)]
    overran = [p for p in ending if p not in killed and _overran(p)]
    if killed:
        given = {p.spec.termination_grace_period_seconds for p in killed if p.spec}
        within = next(iter(given)) if len(given) == 1 else None
        spent = f" within {spell(within)}" if within is not None else ""
        text = f"{count(len(killed), 'old pod')} did not stop{spent} and had to be killed"
        yield Caution(CautionKind.KILLED, text, len(killed), _ended_at(killed))
    if overran:
        text = f"{count(len(overran), 'old pod')} took longer to stop than allowed"
        yield Caution(CautionKind.OVERRAN, text, len(overran), _ended_at(overran))


def _ends(pod: shapes.Pod) -> list[shapes.Terminated]:
    statuses = (pod.status.container_statuses or ()) if pod.status else ()
    return [c.state.terminated for c in statuses if c.state and c.state.terminated]


def _killed(pod: shapes.Pod) -> bool:
    if condition(pod.status.conditions if pod.status else None, "DisruptionTarget") is not None:
        return False
    return any(e.exit_code == KILLED and e.reason not in _NO_PROOF for e in _ends(pod))


def _overran(pod: shapes.Pod) -> bool:
    """The kubelet sets the grace period to zero when all has ended and moves the time; only before that does
    the time say what was allowed."""
    meta = pod.metadata
    limit = meta.deletion_timestamp if meta.deletion_grace_period_seconds else None
    return limit is not None and any(e.finished_at and e.finished_at > limit for e in _ends(pod))


def _ended_at(pods: Iterable[shapes.Pod]) -> datetime | None:
    return min((e.finished_at for p in pods for e in _ends(p) if e.finished_at), default=None)
