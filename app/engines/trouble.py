"""Why something is stuck: the problems of many pods as a few, and refusals to make pods, with the evidence.

A problem is one sentence a person can act on; its evidence is what the registry, the scheduler, the kubelet
or the API server said. Causes come before their consequences. Nothing that ticks enters a problem, or every
look would be a write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ..domain.names import cut
from ..domain.rollout import Pod, PodCondition, Problem
from . import shapes, warnings
from .pods import limit
from .port import Kin
from .reading import condition

ORDER = (
    "invalid", "analysis", "image", "crash", "oom", "config", "container",
    "quota", "limits", "admission", "account", "create", "node", "unschedulable",
    "blocked", "probe", "volume", "sandbox", "deadline", "aborted",
)  # fmt: skip
"""Categories of problems, in the order in which a person should hear of them."""
SOFT = frozenset({"unschedulable", "probe", "volume", "sandbox"})
"""Categories that may pass by themselves (a node is on its way, a process warms up) and do not yet make what
serves degraded."""

_REFUSALS = (
    ("exceeded quota", "quota"),
    ("usage per Container", "limits"),
    ("usage per Pod", "limits"),
    ("admission webhook", "admission"),
    ("violates PodSecurity", "admission"),
    ("denied request", "admission"),
    ("ValidatingAdmissionPolicy", "admission"),
    ("serviceaccount", "account"),
)


def of_pods(read: Iterable[tuple[Pod, str]], kin: Kin) -> list[Problem]:
    """What is wrong with the pods of the newest revision: one problem a category, told by the pod that has
    restarted most. `read` holds pods with their categories, as `pods.read` gives them."""
    groups: dict[str, list[Pod]] = {}
    for pod, category in read:
        if category and pod.new:
            groups.setdefault(category, []).append(pod)
    shaped = {pod.metadata.name: pod for pod in kin.pods} if groups else {}
    found = []
    for category, group in groups.items():
        teller = min(group, key=lambda p: (-p.restarts, p.name))
        since = min((p.since for p in group if p.since), default=None)
        said = evidence(category, shaped[teller.name], kin) if teller.name in shaped else ""
        found.append(Problem(category, teller.reason, teller.message, len(group), since, said))
    return found


def in_order(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems, causes first."""
    return tuple(sorted(found, key=lambda p: ORDER.index(p.category) if p.category in ORDER else len(ORDER)))


def hard(problems: Iterable[Problem]) -> bool:
    """Whether any of them will not pass by itself."""
    return any(p.category not in SOFT for p in problems)


def refused(failure: shapes.Condition) -> Problem:
    """Why no pod (or ReplicaSet) can be created, from the condition that says so."""
    return _refusal(failure.reason or "", failure.message or "", failure.last_transition_time)


def refusals(events: Sequence[shapes.Event], floor: datetime | None) -> list[Problem]:
    """Why a set without such a condition makes no pods, from the newest warning about it since `floor`. Ask
    only while pods are lacking: the warning outlives its cause."""
    event = warnings.newest(events, warnings.REFUSED, floor)
    if event is None:
        return []
    text = warnings.words(event)
    _, told, why = text.partition(" error: ")
    return [_refusal(event.reason or "", why if told else text, warnings.first(event))]


def evidence(category: str, pod: shapes.Pod, kin: Kin) -> str:
    """What the source itself said of a pod's trouble of this category."""
    status, events = pod.status, kin.warnings.get(pod.metadata.uid, ())
    if status is None:
        return ""
    if category == "unschedulable":
        scheduled = condition(status.conditions, "PodScheduled")
        return cut((scheduled.message if scheduled else None) or "")
    if category in ("probe", "volume", "sandbox"):
        event = warnings.newest(events, warnings.PROBE | warnings.VOLUME | warnings.SANDBOX)
        return warnings.words(event) if event else ""
    containers = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
    if category in ("crash", "oom"):
        return cut(" ".join(_end(c, limit(pod, c.name)) for c in containers if _ended(c)))
    waiting = next((c.state.waiting for c in containers if c.state and c.state.waiting and _told(c)), None)
    said = (waiting.message if waiting else None) or ""
    if category == "image" and ": " not in said:
        event = warnings.newest(events, warnings.PULL)
        said = warnings.words(event) if event else said
    return cut(said)


def blocking(read: Iterable[tuple[Pod, str]], versions: dict[str, str]) -> list[Problem]:
    """Broken pods of another revision that an ordered update waits for, for ever: the controller replaces no
    pod while one before it is not ready. `versions` by revision key. Source: kubernetes/kubernetes#67250."""
    found = []
    for pod, category in read:
        if pod.condition is not PodCondition.FAILING or pod.new or category == "probe":
            continue
        version = versions.get(pod.revision, "")
        runs = f" ({version})" if version else ""
        text = f"Pod {pod.name}{runs} is broken and blocks the update until it is deleted"
        found.append(Problem("blocked", pod.reason, cut(text), 1, pod.since, pod.message))
    return found


def _refusal(reason: str, text: str, since: datetime | None) -> Problem:
    why = text.partition("is forbidden: ")[2] or text
    category = next((category for sign, category in _REFUSALS if sign in text), "create")
    return Problem(category, cut(reason, 100), cut(f"Cannot create pods: {why}"), 0, since, cut(text))


def _told(container: shapes.ContainerStatus) -> bool:
    waiting = container.state.waiting if container.state else None
    reason = (waiting.reason if waiting else None) or ""
    return reason not in ("", "ContainerCreating", "PodInitializing")


def _ended(container: shapes.ContainerStatus) -> shapes.Terminated | None:
    for state in (container.state, container.last_state):
        ended = state.terminated if state else None
        if ended is not None and (ended.exit_code or ended.signal):
            return ended
    return None


def _end(container: shapes.ContainerStatus, most: str) -> str:
    ended = _ended(container)
    if ended is None:
        return ""
    how = f"exit code {ended.exit_code}" if ended.exit_code else f"signal {ended.signal}"
    bound = f", memory limit {most}" if most and ended.reason == "OOMKilled" else ""
    last_words = f": {cut(ended.message.strip()[-300:], 300)}" if ended.message else ""
    return f"{container.name}: {how}, {ended.reason or 'no reason given'}{bound}{last_words}."
