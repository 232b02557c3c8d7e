"""Pods as squares: one pod's condition with the reason in words.

Reads in the order of `kubectl get pods` (init containers first) and judges severity as Argo CD does: a
waiting reason that starts with "Err" or ends in "Error" or "BackOff" is an error, other waiting is
starting. What a probe or a volume says is known from events alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from ..domain.names import cut
from ..domain.rollout import Pod, PodCondition
from . import shapes, warnings
from .reading import condition, count, image

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
    ("access to the resource is denied", "not permitted"),
    ("forbidden", "not permitted"),
    ("no such host", "the registry's name does not resolve"),
    ("connection refused", "the registry refuses connections"),
    ("timeout", "the registry does not answer"),
    ("x509", "the registry's certificate is not trusted"),
    ("no space left", "no space left on the node"),
    ("exec format", "made for another processor"),
    ("no match for platform", "made for another processor"),
)
EARLY = frozenset({"", "probe", "volume", "sandbox"})
"""Categories that a pod may pass through on its way to being ready."""
_NODES = re.compile(r"nodes are available: (.+?)(?:\. |\.?$)", re.DOTALL)
_AT_START = 30.0  # seconds: a container that lives shorter than this never got to work


def read(pod: shapes.Pod, key: str, new: bool, events: Sequence[shapes.Event] = ()) -> tuple[Pod, str]:
    """One pod as shown, and the category of its problem (empty when it has none). `key` is its revision's,
    `events` are warnings about it."""
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
            reason, message = _last_end(pod)
    elif status is None:
        state = PodCondition.STARTING
    else:
        category, reason, message = _trouble(pod, status, ready, events)
        if not category:
            category, reason, message = _told(events, reason, message)
        lost = category == "probe" and _was_ready(status, ready)
        state = PodCondition.FAILING if lost or category not in EARLY else PodCondition.STARTING
    node = (spec.node_name if spec else None) or ""
    reason = cut(reason, 100) if reason else ""
    return Pod(meta.name, key, new, state, reason, message, restarts, node, since), category


def _trouble(
    pod: shapes.Pod,
    status: shapes.PodStatus,
    ready: shapes.Condition | None,
    events: Sequence[shapes.Event],
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
        category, reason, message = _container(pod, container, is_init, events)
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


def _told(events: Sequence[shapes.Event], reason: str, message: str) -> tuple[str, str, str]:
    """What warnings say of a pod that is merely starting; `reason` and `message` when they say nothing."""
    if reason == "ContainersNotReady" and (event := warnings.newest(events, warnings.PROBE)) is not None:
        probe, failed, why = warnings.words(event).partition(" probe failed: ")
        said = f"{probe} probe fails: {why}" if failed else f"A probe fails: {probe}"
        return "probe", event.reason or "", cut(said, 300)
    if reason in ("ContainerCreating", "PodInitializing"):
        if (event := warnings.newest(events, warnings.VOLUME)) is not None:
            return "volume", event.reason or "", cut(f"Waits for a volume: {warnings.words(event)}", 300)
        if (event := warnings.newest(events, warnings.SANDBOX)) is not None:
            return "sandbox", event.reason or "", cut(f"Cannot be set up: {warnings.words(event)}", 300)
    return "", reason, message


def _was_ready(status: shapes.PodStatus, ready: shapes.Condition | None) -> bool:
    """Whether it stopped being ready after its containers started: then it was ready before."""
    since = ready.last_transition_time if ready else None
    started = [
        c.state.running.started_at if c.state and c.state.running else None
        for c in status.container_statuses or ()
    ]
    return since is not None and bool(started) and all(t is not None and t < since for t in started)


def _last_end(pod: shapes.Pod) -> tuple[str, str]:
    """How a container that is ready again ended last: whether that still matters takes a clock to say."""
    for container in (pod.status.container_statuses or ()) if pod.status else ():
        ended = container.last_state.terminated if container.last_state else None
        if ended is not None and (ended.exit_code or ended.signal):
            bound = limit(pod, container.name)
            _, reason, message = _crash(ended.reason or "Error", ended, container.restart_count or 0, bound)
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


def _container(
    pod: shapes.Pod, container: shapes.ContainerStatus, is_init: bool, events: Sequence[shapes.Event]
) -> tuple[str, str, str]:
    """Category, reason and message of one container's trouble; empty when it has none."""
    state, last = container.state, container.last_state
    ended = last.terminated if last else None
    restarts = container.restart_count or 0
    if state is None:
        return "", "", ""
    if state.waiting is not None:
        reason, text = state.waiting.reason or "", state.waiting.message or ""
        if reason in _PULL:
            if ": " not in text and (event := warnings.newest(events, warnings.PULL)) is not None:
                text = warnings.words(event)
            return "image", reason, _pull(_image_of(pod, container), reason, text)
        if reason == "CrashLoopBackOff":
            return _crash(reason, ended, restarts, limit(pod, container.name))
        if reason == "CreateContainerConfigError":
            return "config", reason, f"Cannot start: {text or 'its configuration is incomplete'}"
        if reason.startswith("Err") or reason.endswith(("Error", "BackOff")):
            return "container", reason, f"Cannot start: {text or reason}"
        return "", "", ""
    if state.terminated is not None:
        if is_init and not state.terminated.exit_code and not state.terminated.signal:
            return "", "", ""
        reason = state.terminated.reason or "Error"
        return _crash(reason, state.terminated, restarts, limit(pod, container.name))
    if not container.ready and not (is_init and container.started) and restarts and ended is not None:
        return _crash(ended.reason or "Error", ended, restarts, limit(pod, container.name))
    return "", "", ""


def _crash(
    reason: str, ended: shapes.Terminated | None, restarts: int, limit: str = ""
) -> tuple[str, str, str]:
    again = f" ({count(restarts, 'restart')})" if restarts else ""
    if ended is None:
        return "crash", reason, f"Keeps stopping{again}"
    if ended.reason == "OOMKilled":
        what = f"its memory limit of {limit}" if limit else "memory"
        return "oom", ended.reason, f"Runs out of {what} and is killed{again}"
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
    declared = _declared(pod, container.name)
    return image((declared.image if declared else None) or container.image or "an image")[0]


def limit(pod: shapes.Pod, container: str) -> str:
    """The memory limit of a container as written; empty when it has none."""
    declared = _declared(pod, container)
    limits = declared.resources.limits if declared and declared.resources else None
    return cut(str(limits.memory), 30) if limits and limits.memory is not None else ""


def _declared(pod: shapes.Pod, name: str) -> shapes.Container | None:
    spec = pod.spec
    all_ = chain(spec.containers or (), spec.init_containers or ()) if spec else ()
    return next((c for c in all_ if c.name == name), None)
