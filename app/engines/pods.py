"""Pods as squares: one pod's condition with the reason in words, and what is wrong with many of them at
once.

Reads in the order of `kubectl get pods` (init containers first) and judges severity as Argo CD does: a
waiting reason that starts with "Err" or ends in "Error" or "BackOff" is an error, other waiting is
starting. Probe texts exist only in events and are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from ..domain.names import cut
from ..domain.rollout import Pod, PodCondition, Problem
from . import shapes
from .reading import condition, count, image

ORDER = (
    "invalid", "analysis", "image", "crash", "oom", "config", "container",
    "quota", "create", "node", "unschedulable", "deadline", "aborted",
)  # fmt: skip
"""Categories of problems, in the order in which a person should hear of them: causes before their
consequences."""
SOFT = frozenset({"unschedulable"})
"""Categories that may pass by themselves (a node is on its way) and do not yet make what serves degraded."""

_PULL = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_PULL_CAUSES = (
    ("not found", "not found"),
    ("manifest unknown", "not found"),
    ("toomanyrequests", "the registry limits the rate"),
    ("unauthorized", "not permitted"),
    ("authentication required", "not permitted"),
    ("access denied", "not permitted"),
    ("forbidden", "not permitted"),
    ("no such host", "the registry's name does not resolve"),
    ("connection refused", "the registry refuses connections"),
    ("timeout", "the registry does not answer"),
    ("x509", "the registry's certificate is not trusted"),
    ("no space left", "no space left on the node"),
    ("exec format", "made for another processor"),
    ("no match for platform", "made for another processor"),
)
_NODES = re.compile(r"nodes are available: (.+?)(?:\. |\.?$)", re.DOTALL)
_AT_START = 30.0  # seconds: a container that lives shorter than this never got to work


def read(pod: shapes.Pod, key: str, new: bool) -> tuple[Pod, str]:
    """One pod as shown, and the category of its problem (empty when it has none). `key` is its revision's."""
    meta, status, spec = pod.metadata, pod.status, pod.spec
    restarts = 0
    ready: shapes.Condition | None = None
    if status is not None:
        for container in status.container_statuses or ():
            restarts += container.restart_count or 0
        ready = condition(status.conditions, "Ready")
    category, reason, message = "", "", ""
    since: datetime | None = ready.last_transition_time if ready else meta.creation_timestamp
    if meta.deletion_timestamp is not None or (status and status.phase in ("Succeeded", "Failed")):
        state, since = PodCondition.ENDING, None
        reason = (status.reason if status else None) or ""
        message = cut(status.message) if status and status.message else ""
    elif ready is not None and ready.status == "True":
        state = PodCondition.READY
        if restarts:
            reason, message = _last_end(status)
    elif status is None:
        state = PodCondition.STARTING
    else:
        category, reason, message = _trouble(pod, status, ready)
        state = PodCondition.FAILING if category else PodCondition.STARTING
    node = (spec.node_name if spec else None) or ""
    reason = cut(reason, 100) if reason else ""
    return Pod(meta.name, key, new, state, reason, message, restarts, node, since), category


def problems(read_pods: Iterable[tuple[Pod, str]]) -> list[Problem]:
    """What is wrong with these pods: one problem a category, told by the pod that has restarted most."""
    groups: dict[str, list[Pod]] = {}
    for pod, category in read_pods:
        if category:
            groups.setdefault(category, []).append(pod)
    found = []
    for category, group in groups.items():
        teller = min(group, key=lambda p: (-p.restarts, p.name))
        since = min((p.since for p in group if p.since), default=None)
        found.append(Problem(category, teller.reason, teller.message, len(group), since))
    return found


def in_order(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems, causes first."""
    return tuple(sorted(found, key=lambda p: ORDER.index(p.category) if p.category in ORDER else len(ORDER)))


def refused(failure: shapes.Condition) -> Problem:
    """Why no pod (or ReplicaSet) can be created, from the condition that says so."""
    text = failure.message or ""
    why = text.partition("is forbidden: ")[2] or text
    category = "quota" if "exceeded quota" in text else "create"
    return Problem(
        category,
        cut(failure.reason or "", 100),
        cut(f"Cannot create pods: {why}"),
        0,
        failure.last_transition_time,
    )


def _trouble(
    pod: shapes.Pod, status: shapes.PodStatus, ready: shapes.Condition | None
) -> tuple[str, str, str]:
    """Category (empty: merely starting), reason and message of a pod that is not ready."""
    if status.reason == "NodeLost" or status.phase == "Unknown":
        return "node", status.reason or "NodeLost", "Its node does not answer"
    scheduled = condition(status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return _unscheduled(scheduled)
    inits, mains = status.init_container_statuses or (), status.container_statuses or ()
    for container, is_init in chain(((c, True) for c in inits), ((c, False) for c in mains)):
        who = "Init container" if is_init else "Container" if len(mains) > 1 else ""
        category, reason, message = _container(pod, container, is_init)
        if category:
            return category, reason, cut(f"{who} {container.name}: {message}" if who else message)
    waiting = next((c.state.waiting.reason for c in mains if c.state and c.state.waiting), None)
    if waiting:
        return "", waiting, ""
    if ready is None or ready.status == "True":
        return "", "", ""
    if ready.reason == "ReadinessGatesNotReady":
        return "", ready.reason, "Waits for its readiness gates"
    if ready.reason == "ContainersNotReady" and not waiting:
        return "", ready.reason, "Runs, but is not ready yet"
    return "", ready.reason or "", ""


def _last_end(status: shapes.PodStatus | None) -> tuple[str, str]:
    """How a container that is ready again ended last: whether that still matters takes a clock to say."""
    for container in (status.container_statuses or ()) if status else ():
        ended = container.last_state.terminated if container.last_state else None
        if ended is not None and (ended.exit_code or ended.signal):
            _, reason, message = _crash(ended.reason or "Error", ended, container.restart_count or 0)
            return reason, cut(message)
    return "", ""


def _unscheduled(scheduled: shapes.Condition) -> tuple[str, str, str]:
    reason = scheduled.reason or "Unschedulable"
    if reason == "SchedulingGated":
        return "", reason, "Held back by a scheduling gate"
    text = scheduled.message or ""
    found = _NODES.search(text[:2000])
    why = found.group(1) if found else text
    return "unschedulable", reason, cut(f"No node can take it: {why}" if why else "No node can take it", 300)


def _container(pod: shapes.Pod, container: shapes.ContainerStatus, is_init: bool) -> tuple[str, str, str]:
    """Category, reason and message of one container's trouble; empty when it has none."""
    state, last = container.state, container.last_state
    ended = last.terminated if last else None
    restarts = container.restart_count or 0
    if state is None:
        return "", "", ""
    if state.waiting is not None:
        reason, text = state.waiting.reason or "", state.waiting.message or ""
        if reason in _PULL:
            return "image", reason, _pull(_image_of(pod, container), reason, text)
        if reason == "CrashLoopBackOff":
            return _crash(reason, ended, restarts)
        if reason == "CreateContainerConfigError":
            return "config", reason, f"Cannot start: {text or 'its configuration is incomplete'}"
        if reason.startswith("Err") or reason.endswith(("Error", "BackOff")):
            return "container", reason, f"Cannot start: {text or reason}"
        return "", "", ""
    if state.terminated is not None:
        if is_init and not state.terminated.exit_code and not state.terminated.signal:
            return "", "", ""
        return _crash(state.terminated.reason or "Error", state.terminated, restarts)
    if not container.ready and not (is_init and container.started) and restarts and ended is not None:
        return _crash(ended.reason or "Error", ended, restarts)
    return "", "", ""


def _crash(reason: str, ended: shapes.Terminated | None, restarts: int) -> tuple[str, str, str]:
    again = f" ({count(restarts, 'restart')})" if restarts else ""
    if ended is None:
        return "crash", reason, f"Keeps stopping{again}"
    if ended.reason == "OOMKilled":
        return "oom", ended.reason, f"Runs out of memory and is killed{again}"
    how = f"with code {ended.exit_code or 0}"
    if ended.signal and not ended.exit_code:
        how = f"by signal {ended.signal}"
    short = (
        ended.started_at is not None
        and ended.finished_at is not None
        and (ended.finished_at - ended.started_at).total_seconds() <= _AT_START
    )
    last_words = (ended.message or "").rstrip()[-2000:].rpartition("\n")[2].strip()
    said = f": {cut(last_words, 160)}" if last_words else ""
    return "crash", reason, f"Exits {'at start ' if short else ''}{how}{again}{said}"


def _pull(name: str, reason: str, text: str) -> str:
    if reason == "InvalidImageName":
        return f"{name} is not a valid image name"
    if reason == "ErrImageNeverPull":
        return f"{name} is not on the node and may not be pulled"
    low = text.lower()
    why = next((words for sign, words in _PULL_CAUSES if sign in low), "")
    return f"Cannot pull {name}{': ' + why if why else ''}"


def _image_of(pod: shapes.Pod, container: shapes.ContainerStatus) -> str:
    spec = pod.spec
    for declared in chain(spec.containers or (), spec.init_containers or ()) if spec else ():
        if declared.name == container.name and declared.image:
            return image(declared.image)[0]
    return image(container.image or "an image")[0]
