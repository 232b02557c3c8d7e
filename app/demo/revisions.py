"""ControllerRevisions: the templates a StatefulSet or DaemonSet has had, numbered.

Source: k8s pkg/controller/history. A template that comes back gets its old object with the next number.
`data` has its keys in order, since kubectl compares its bytes.
"""

from __future__ import annotations

from typing import Any

from app.demo import shapes
from app.demo.controllers import Controllers
from app.demo.resources import Resource
from app.demo.store import Entry, copy

Obj = dict[str, Any]
PLURAL = "controllerrevisions"
HASH = "controller-revision-hash"
MANAGER = "kube-controller-manager"
# the label on the revision object; pods of both kinds carry HASH, a StatefulSet's with the revision's name
_LABELS = {"StatefulSet": "controller.kubernetes.io/hash", "DaemonSet": HASH}


def snapshot(template: Obj) -> Obj:
    """A template as a revision keeps it: a strategic merge patch that puts it back."""
    ordered: Obj = shapes.ordered(template)
    return {"spec": {"template": {"$patch": "replace", **ordered}}}


def template_of(revision: Entry) -> Obj:
    template = revision.obj["data"]["spec"]["template"]
    return {key: value for key, value in template.items() if key != "$patch"}


def draft(owner: Obj, resource: Resource, template: Obj, number: int) -> Obj:
    """A revision of an owner, not stored yet."""
    meta, hashed = owner["metadata"], shapes.template_hash(template)
    labels = {**(template["metadata"].get("labels") or {}), _LABELS[resource.kind]: hashed}
    return {
        "metadata": {
            "name": f"{meta['name']}-{hashed}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": dict(meta.get("annotations") or {}),
            "ownerReferences": [shapes.reference(owner, resource.plural)],
        },
        "data": snapshot(template),
        "revision": number,
    }


class Revisions:
    """The revisions of the objects of one resource."""

    def __init__(self, controllers: Controllers, resource: Resource) -> None:
        self.store = controllers.store
        self.registry = controllers.registry
        self.resource = resource

    def of(self, owner: Entry) -> list[Entry]:
        """Lowest number first."""
        return sorted(self.store.children(owner.uid, PLURAL), key=number)

    def update(self, owner: Entry) -> Entry:
        """The revision of the present template: found, renumbered or new."""
        known, template = self.of(owner), owner.obj["spec"]["template"]
        data, following = snapshot(template), (number(known[-1]) if known else 0) + 1
        same = [item for item in known if item.obj["data"] == data]
        if not same:
            body = draft(owner.obj, self.resource, template, following)
            return self.registry.create(PLURAL, body, manager=MANAGER)
        if same[-1].uid == known[-1].uid:
            return same[-1]
        obj = copy(same[-1])
        obj["revision"] = following
        return self.registry.update(PLURAL, obj, manager=MANAGER)

    def prune(self, owner: Entry, live: set[str]) -> None:
        """Delete the oldest beyond revisionHistoryLimit, those named in `live` apart."""
        idle = [item for item in self.of(owner) if item.name not in live]
        for item in idle[: max(0, len(idle) - owner.obj["spec"].get("revisionHistoryLimit", 10))]:
            self.registry.delete(PLURAL, item.namespace, item.name)


def number(item: Entry) -> int:
    return int(item.obj["revision"])


def hash_of(revision: Entry) -> str:
    """What follows the owner's name in the revision's."""
    return revision.name.rpartition("-")[2]
