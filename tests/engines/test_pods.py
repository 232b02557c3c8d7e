"""One pod as a square with its reason, and many pods' problems as a few."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.domain.rollout import PodCondition
from app.engines import pods, shapes, trouble
from app.engines.port import Kin

NOT_READY = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}


def a_pod(name: str = "web-1", **status: Any) -> shapes.Pod:
    metadata = status.pop("metadata", {})
    document = {
        "metadata": {"name": name, "creationTimestamp": "2026-01-05T09:00:00Z", **metadata},
        "spec": {"containers": [{"name": "web", "image": "registry.example/web:2.31.1"}]},
        "status": {"phase": "Running", "conditions": [NOT_READY], **status},
    }
    return msgspec.convert(document, shapes.Pod)


def a_container(name: str = "web", **status: Any) -> dict[str, Any]:
    return {"name": name, "ready": False, "restartCount": 0, **status}


def waiting(reason: str, message: str = "", **status: Any) -> dict[str, Any]:
    return a_container(state={"waiting": {"reason": reason, "message": message}}, **status)


def ended(**status: Any) -> dict[str, Any]:
    return {"terminated": status}


IMAGE = "registry.example/web:2.31.1"
SHORT = {"exitCode": 1, "startedAt": "2026-01-05T09:00:01Z", "finishedAt": "2026-01-05T09:00:03Z"}
LONG = {"exitCode": 1, "startedAt": "2026-01-05T08:00:00Z", "finishedAt": "2026-01-05T09:00:03Z"}
OOM = {"exitCode": 137, "reason": "OOMKilled"}


@pytest.mark.parametrize(
    ("container", "category", "message"),
    [
        (waiting("ErrImagePull", 'image "web": not found'), "image", f"Cannot pull {IMAGE}: not found"),
        (waiting("ErrImagePull", "401 Unauthorized"), "image", f"Cannot pull {IMAGE}: not permitted"),
        (waiting("ImagePullBackOff", "Back-off"), "image", f"Cannot pull {IMAGE}"),
        (waiting("InvalidImageName"), "image", f"{IMAGE} is not a valid image name"),
        (waiting("ErrImageNeverPull"), "image", f"{IMAGE} is not on the node and may not be pulled"),
        (
            waiting("CrashLoopBackOff", restartCount=5, lastState=ended(**SHORT)),
            "crash",
            "Exits at start with code 1 (5 restarts)",
        ),
        (
            waiting("CrashLoopBackOff", restartCount=1, lastState=ended(**LONG)),
            "crash",
            "Exits with code 1 (1 restart)",
        ),
        (waiting("CrashLoopBackOff", restartCount=2), "crash", "Keeps stopping (2 restarts)"),
        (
            waiting("CrashLoopBackOff", restartCount=2, lastState=ended(**OOM)),
            "oom",
            "Runs out of memory and is killed (2 restarts)",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "db" not found'),
            "config",
            'Cannot start: secret "db" not found',
        ),
        (waiting("RunContainerError", "no such file"), "container", "Cannot start: no such file"),
        (waiting("ContainerCreating"), "", ""),
        (waiting("PodInitializing"), "", ""),
        (a_container(state=ended(signal=9)), "crash", "Exits by signal 9"),
        (
            a_container(state=ended(exitCode=3, message="boot\nno database\n")),
            "crash",
            "Exits with code 3: no database",
        ),
        (
            a_container(state={"running": {}}, restartCount=1, lastState=ended(exitCode=1)),
            "crash",
            "Exits with code 1 (1 restart)",
        ),
        (a_container(state={"running": {}}), "", "Runs, but is not ready yet"),
        (a_container(), "", "Runs, but is not ready yet"),
    ],
)
def test_container_trouble_is_told_in_words(container: dict[str, Any], category: str, message: str) -> None:
    pod, found = pods.read(a_pod(containerStatuses=[container]), "rs", True)

    assert (found, pod.message) == (category, message)
    assert pod.condition is (PodCondition.FAILING if category else PodCondition.STARTING)


def test_ready_pod_is_ready_and_keeps_how_it_ended_last() -> None:
    last = ended(exitCode=1, reason="Error")
    container = a_container(ready=True, state={"running": {}}, restartCount=4, lastState=last)
    pod, category = pods.read(
        a_pod(conditions=[{"type": "Ready", "status": "True"}], containerStatuses=[container]), "rs", True
    )

    assert (pod.condition, category) == (PodCondition.READY, "")
    assert (pod.restarts, pod.reason, pod.message) == (4, "Error", "Exits with code 1 (4 restarts)")


def test_finished_init_container_and_started_sidecar_are_no_trouble() -> None:
    inits = [
        a_container("migrate", state=ended(exitCode=0, reason="Completed")),
        a_container(
            "proxy", started=True, state={"running": {}}, restartCount=1, lastState=ended(exitCode=1)
        ),
    ]

    _, category = pods.read(
        a_pod(initContainerStatuses=inits, containerStatuses=[waiting("PodInitializing")]), "rs", True
    )

    assert category == ""


def test_trouble_names_its_container_when_there_are_several() -> None:
    containers = [
        a_container(ready=True, state={"running": {}}),
        a_container("proxy", state={"terminated": {"exitCode": 2}}),
    ]

    pod, _ = pods.read(a_pod(containerStatuses=containers), "rs", True)

    assert pod.message == "Container proxy: Exits with code 2"


def lacking(type_: str, reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": type_, "status": "False", "reason": reason}]}


FAILING, STARTING, ENDING = PodCondition.FAILING, PodCondition.STARTING, PodCondition.ENDING


@pytest.mark.parametrize(
    ("status", "condition", "category", "reason"),
    [
        (lacking("PodScheduled", "Unschedulable"), FAILING, "unschedulable", "Unschedulable"),
        (lacking("PodScheduled", "SchedulingGated"), STARTING, "", "SchedulingGated"),
        (lacking("Ready", "ReadinessGatesNotReady"), STARTING, "", "ReadinessGatesNotReady"),
        ({"reason": "NodeLost"}, FAILING, "node", "NodeLost"),
        ({"phase": "Failed", "reason": "Evicted"}, ENDING, "", "Evicted"),
        ({"metadata": {"deletionTimestamp": "2026-01-05T10:00:00Z"}}, ENDING, "", ""),
        ({"conditions": None, "phase": "Pending"}, STARTING, "", ""),
    ],
)
def test_pod_as_a_whole_is_told_apart(
    status: dict[str, Any], condition: PodCondition, category: str, reason: str
) -> None:
    pod, found = pods.read(a_pod(**status), "rs", True)

    assert (pod.condition, found, pod.reason) == (condition, category, reason)


def test_text_of_a_container_is_cut_and_printable() -> None:
    hostile = "\x1b[31m" + "x" * 100_000
    pod, _ = pods.read(a_pod(containerStatuses=[waiting("CreateContainerConfigError", hostile)]), "rs", True)

    assert len(pod.message) <= 500
    assert pod.message.isprintable()


def test_problems_are_one_a_category_told_by_the_pod_that_restarted_most() -> None:
    def crashing(name: str, restarts: int, since: str) -> shapes.Pod:
        return a_pod(
            name,
            conditions=[{**NOT_READY, "lastTransitionTime": since}],
            containerStatuses=[waiting("CrashLoopBackOff", restartCount=restarts)],
        )

    read = [
        pods.read(crashing("web-1", 2, "2026-01-05T09:02:00Z"), "rs", True),
        pods.read(crashing("web-2", 5, "2026-01-05T09:01:00Z"), "rs", True),
        pods.read(a_pod("web-3", containerStatuses=[waiting("ErrImagePull", "not found")]), "rs", True),
        pods.read(a_pod("web-4", conditions=[{"type": "Ready", "status": "True"}]), "rs", True),
    ]

    image, crash = trouble.in_order(trouble.of_pods(read, Kin()))

    assert (image.category, image.pods) == ("image", 1)
    assert (crash.category, crash.pods, crash.message) == ("crash", 2, "Keeps stopping (5 restarts)")
    assert crash.since is not None
    assert crash.since.minute == 1
