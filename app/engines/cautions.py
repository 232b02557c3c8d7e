"""What a state that looks good may hide, and how old pods ended: no failures, but worth knowing.

Hollow green: pods that count as ready untested, nothing running at all, a Service that leads nowhere, pods
that come back each time they crash. Shutdown proof: old pods that had to be killed. What could not be looked
at is never taken for absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ..domain.names import cut
from ..domain.rollout import Caution, CautionKind, Phase, Pod, PodCondition, PodCounts
from ..domain.shutdown import NAMED
from . import shapes, trouble
from .kinship import named_by, selector
from .port import Kin
from .reading import condition, spell

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
        found += _leads_nowhere(template, kin)
    return (*found, *_restarting(pods, kin), *_endings(pods, kin))


def _untested(template: shapes.Template | None) -> bool:
    containers = template.spec.containers if template is not None and template.spec is not None else None
    return bool(containers) and all(c.readiness_probe is None for c in containers or ())


def _leads_nowhere(template: shapes.Template | None, kin: Kin) -> Iterable[Caution]:
    labels = (template.metadata.labels if template and template.metadata else None) or {}
    for service in kin.services:
        name, chosen = service.metadata.name, selector(service)
        slices = [s for s in kin.slices if ("Service", name) in named_by(s)]
        if not slices or any(ready(e) for s in slices for e in s.endpoints or ()):
            continue
        text = f"Service {name} has no ready endpoint: nobody reaches these pods through it"
        if astray := {k: v for k, v in sorted(chosen.items()) if labels.get(k) != v}:
            asked = ", ".join(f"{k}={v}" for k, v in astray.items())
            text = f"Service {name} leads nowhere: it looks for pods with {asked}, and these have not"
        yield Caution(CautionKind.NO_ENDPOINTS, cut(text))


def ready(endpoint: shapes.Endpoint) -> bool:
    """Whether an endpoint takes traffic; what says nothing does."""
    said = endpoint.conditions
    return said is None or said.ready is None or said.ready


def _restarting(pods: Sequence[Pod], kin: Kin) -> Iterable[Caution]:
    """Pods of the newest revision that are ready, and were not ended cleanly before; since the last such end."""
    again = [p for p in pods if p.new and p.condition is PodCondition.READY and p.restarts and p.message]
    if not again:
        return
    worst = min(again, key=lambda p: (-p.restarts, p.name))
    names = {p.name for p in again}
    ends = [
        e.finished_at for p in kin.pods if p.metadata.name in names for e in _last_ends(p) if e.finished_at
    ]
    noun = "pod is" if len(again) == 1 else "pods are"
    text = f"{len(again)} {noun} ready after restarts. {worst.message}"
    shaped = next((p for p in kin.pods if p.metadata.name == worst.name), None)
    said = trouble.evidence("crash", shaped, kin) if shaped else ""
    yield Caution(CautionKind.RESTARTS, text, len(again), max(ends, default=None), evidence=said)


def _last_ends(pod: shapes.Pod) -> Iterable[shapes.Terminated]:
    for container in (pod.status.container_statuses or ()) if pod.status else ():
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
        yield _ending(
            CautionKind.KILLED, f"Old pods did not stop{spent} of SIGTERM and were killed by SIGKILL", killed
        )
    if overran:
        yield _ending(CautionKind.OVERRAN, "Old pods took longer to stop than their grace period", overran)


def _ending(kind: CautionKind, text: str, pods: Sequence[shapes.Pod]) -> Caution:
    return Caution(
        kind, text, len(pods), _ended_at(pods), tuple(sorted(p.metadata.name for p in pods)[:NAMED])
    )


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
