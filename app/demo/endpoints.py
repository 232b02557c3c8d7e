"""The EndpointSlice controller: one slice a Service, following its selector and the readiness of the pods."""

from __future__ import annotations

from typing import Any

from app.demo import shapes
from app.demo.controllers import Controllers
from app.demo.pod_controller import ready_since
from app.demo.registry import managed
from app.demo.resources import BY_PLURAL, Resource
from app.demo.store import Change, copy
from app.demo.tables import suffix

Obj = dict[str, Any]


class Endpoints:
    """Watches Services and pods."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers = controllers
        self.store = controllers.store
        controllers.add("services", self.reconcile)
        controllers.listen(self._changed)

    def _changed(self, resource: Resource, change: Change) -> None:
        if resource.plural != "pods":
            return
        labels = change.entry.obj["metadata"].get("labels") or {}
        for service in self.store.in_namespace("services", change.entry.namespace):
            selector = service.obj["spec"].get("selector")
            if selector and selector.items() <= labels.items():
                self.controllers.enqueue("services", service.namespace, service.name, 0.03)

    def reconcile(self, namespace: str, name: str) -> None:
        service = self.store.get("services", namespace, name)
        selector = service.obj["spec"].get("selector") if service else None
        if service is None or not selector:
            return
        endpoints = [
            _endpoint(pod.obj, name)
            for pod in self.store.in_namespace("pods", namespace)
            if selector.items() <= (pod.obj["metadata"].get("labels") or {}).items()
            and pod.obj["status"].get("podIP")
        ]
        endpoints.sort(key=lambda item: item["targetRef"]["name"])
        ports = [
            {
                "name": port.get("name", ""),
                "protocol": port.get("protocol", "TCP"),
                "port": port.get("targetPort", port["port"]),
            }
            for port in service.obj["spec"].get("ports") or ()
        ]
        slices = self.store.children(service.uid, "endpointslices")
        trigger = {"endpoints.kubernetes.io/last-change-trigger-time": self.store.clock.stamp()}
        if not slices:
            labels = {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": name,
            }
            meta: Obj = {
                "name": f"{name}-{suffix()}",
                "generateName": f"{name}-",
                "namespace": namespace,
                "labels": labels,
                "annotations": trigger,
                "ownerReferences": [shapes.reference(service.obj, "services")],
            }
            meta["managedFields"] = [
                managed(
                    BY_PLURAL["endpointslices"],
                    "kube-controller-manager",
                    self.store.clock.stamp(),
                    {"f:addressType": {}, "f:endpoints": {}, "f:ports": {}},
                )
            ]
            self.store.create(
                "endpointslices",
                {"metadata": meta, "addressType": "IPv4", "endpoints": endpoints, "ports": ports},
            )
            return
        if slices[0].obj["endpoints"] == endpoints and slices[0].obj["ports"] == ports:
            return
        obj = copy(slices[0])
        obj |= {"endpoints": endpoints, "ports": ports}
        obj["metadata"]["generation"] += 1
        obj["metadata"]["annotations"] = trigger
        self.store.put("endpointslices", obj)


def _endpoint(pod: Obj, service: str) -> Obj:
    meta = pod["metadata"]
    ending = "deletionTimestamp" in meta
    serving = ready_since(pod) is not None
    named = pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": serving and not ending, "serving": serving, "terminating": ending},
        **({"hostname": pod["spec"]["hostname"]} if named else {}),
        "targetRef": {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
        "nodeName": pod["spec"].get("nodeName"),
        "zone": (meta.get("labels") or {}).get("topology.kubernetes.io/zone", ""),
    }
