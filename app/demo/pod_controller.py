"""What the controllers of pods have in common: adoption, creation and deletion with their Events, readiness.

Source: k8s pkg/controller/controller_ref_manager and controller_utils. How many pods, which and when is the
business of `replicasets`, `statefulsets` and `daemonsets`.
"""

from __future__ import annotations

from typing import Any

from app.demo import admission, forbidden, shapes
from app.demo.clock import seconds_of
from app.demo.controllers import Controllers
from app.demo.errors import ApiError
from app.demo.resources import BY_PLURAL
from app.demo.selectors import matches
from app.demo.store import Entry, controller_uid, copy

Obj = dict[str, Any]
MANAGER = "kube-controller-manager"
FIRST_RETRY, LAST_RETRY = 0.005, 10.0


class PodController:
    """The base of a controller whose objects own pods. `plural` names its resource.

    `words`: the messages of its Events, created, deleted and refused, with {pod}, {owner} and {why}.
    """

    plural = ""
    words = ("Created pod: {pod}", "Deleted pod: {pod}", "Error creating: {why}")

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store = controllers.store
        self.registry = controllers.registry
        self.clock = controllers.clock
        self.resource = BY_PLURAL[self.plural]
        self._refusals: dict[str, int] = {}
        controllers.add(self.plural, self.reconcile)

    def reconcile(self, namespace: str, name: str) -> None:
        raise NotImplementedError

    def own(self, entry: Entry) -> list[Entry]:
        """The pods of an object: strangers that match are adopted, own ones that no longer match are
        released."""
        selector, pods = entry.obj["spec"]["selector"], []
        for pod in self.store.children(entry.uid, "pods"):
            if matches(selector, pod.obj["metadata"].get("labels") or {}):
                pods.append(pod)
            else:
                obj = copy(pod)
                obj["metadata"].pop("ownerReferences")
                self.store.put("pods", obj)
        for pod in list(self.store.in_namespace("pods", entry.namespace)):
            meta = pod.obj["metadata"]
            if (
                controller_uid(pod.obj) is None
                and "deletionTimestamp" not in meta
                and matches(selector, meta.get("labels") or {})
                and self.may_adopt(entry, pod)
            ):
                obj = copy(pod)
                obj["metadata"]["ownerReferences"] = [shapes.reference(entry.obj, self.plural)]
                pods.append(self.store.put("pods", obj))
        return pods

    def may_adopt(self, entry: Entry, pod: Entry) -> bool:
        return True

    def draft(self, entry: Entry, template: Obj, name: str, labels: dict[str, str]) -> Obj:
        """A new pod of a template, not stored yet; `labels` come on top of the template's."""
        pod = shapes.pod(entry.obj, self.plural, template, name, self.clock.stamp())
        pod["metadata"]["labels"] |= labels
        return pod

    def make(self, entry: Entry, pod: Obj) -> str | None:
        """Store a drafted pod; when it is refused, the reason comes back and a retry is due, later each time."""
        name = pod["metadata"]["name"]
        refused = (pod["metadata"].get("annotations") or {}).get("hollow/forbid-create")
        if not refused:
            there = sum(1 for _ in self.store.in_namespace("pods", entry.namespace))
            refused = forbidden.refusal(self.controllers.behaviour(pod), pod, there)
        why = f'pods "{name}" is forbidden: {refused}' if refused else admission.refusal(self.store, pod)
        if why:
            self.event(entry, "FailedCreate", self._said(2, entry, name, why), warning=True)
            tried = self._refusals.get(entry.uid, 0)
            self._refusals[entry.uid] = tried + 1
            delay = min(FIRST_RETRY * 2 ** min(tried, 20), LAST_RETRY)
            self.controllers.enqueue(self.plural, entry.namespace, entry.name, delay)
            return why
        self._refusals.pop(entry.uid, None)
        pod["metadata"]["managedFields"] = shapes.pod_managed_fields(pod, self.clock.stamp(), status=False)
        self.store.create("pods", pod)
        self.event(entry, "SuccessfulCreate", self._said(0, entry, name))
        return None

    def end(self, entry: Entry, pod: Entry) -> None:
        """Delete a pod, with grace."""
        try:
            self.registry.delete("pods", pod.namespace, pod.name)
        except ApiError:
            return
        self.event(entry, "SuccessfulDelete", self._said(1, entry, pod.name))

    def available(self, entry: Entry, pods: list[Entry]) -> list[Entry]:
        """The pods that have been ready for minReadySeconds; looks again when the next one will be."""
        hold, now = entry.obj["spec"].get("minReadySeconds", 0), self.clock.now()
        waits = {p.uid: seconds_of(at) + hold - now for p in pods if (at := ready_since(p.obj))}
        pending = [wait for wait in waits.values() if hold and wait > 0]
        if pending:
            self.controllers.enqueue(self.plural, entry.namespace, entry.name, min(pending) + 0.5)
        return [p for p in pods if p.uid in waits and (not hold or waits[p.uid] <= 0)]

    def write_status(self, entry: Entry, status: Obj) -> None:
        current = self.store.get(self.plural, entry.namespace, entry.name)
        if current is None or status == (current.obj.get("status") or {}):
            return
        obj = copy(current)
        obj["status"] = status
        self.registry.update(self.plural, obj, manager=MANAGER, status=True)

    def event(self, entry: Entry, reason: str, message: str, *, warning: bool = False) -> None:
        component = f"{self.resource.singular}-controller"
        self.controllers.recorder.record(
            self.plural, entry.obj, reason, message, component=component, warning=warning
        )

    def _said(self, which: int, entry: Entry, pod: str, why: str = "") -> str:
        return self.words[which].format(pod=pod, owner=entry.name, why=why)


def ready_since(pod: Obj) -> str | None:
    """When a pod became ready, or None while it is not."""
    for row in pod["status"].get("conditions") or ():
        if row["type"] == "Ready" and row["status"] == "True":
            since: str = row["lastTransitionTime"]
            return since
    return None


def ending(pod: Entry) -> bool:
    return "deletionTimestamp" in pod.obj["metadata"]


def over(pod: Entry) -> bool:
    """Whether its containers have all ended for good."""
    return pod.obj["status"].get("phase") in ("Succeeded", "Failed")
