"""Semantics of writing: generations, no-ops, preconditions, finalizers, grace periods, managedFields.

The API and the controllers write through here, so both obey the same rules. Raises `ApiError`.
"""

from __future__ import annotations

from typing import Any

from app.demo import defaults, errors, validation
from app.demo.clock import stamp
from app.demo.resources import BY_PLURAL, Resource
from app.demo.store import Entry, Store, copy, encode

Obj = dict[str, Any]
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class Registry:
    """Create, update and delete on top of the bare store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(
        self, plural: str, obj: Obj, *, manager: str, dry_run: bool = False, quiet: bool = False
    ) -> Entry:
        """Default, validate and store a new object. 409 when it exists, 404/403 when its namespace is not
        there/going."""
        resource = BY_PLURAL[plural]
        meta = obj["metadata"]
        validation.check_kind(resource, obj)
        if resource.namespaced:
            namespace = self.store.get("namespaces", "", meta["namespace"])
            if namespace is None:
                raise errors.not_found(BY_PLURAL["namespaces"], meta["namespace"])
            if "deletionTimestamp" in namespace.obj["metadata"]:
                raise errors.terminating(resource, meta["name"], meta["namespace"])
        complaint = validation.wrong_type(resource, obj)
        if complaint:
            raise errors.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a '
                f"{resource.kind}: {complaint}"
            )
        defaults.fill(resource, obj)
        validation.check(resource, obj, None)
        if self.store.get(plural, meta.get("namespace", ""), meta["name"]) is not None:
            raise errors.already_exists(resource, meta["name"])
        if resource.custom and "status" in resource.subresources:
            obj.pop("status", None)
        elif plural in defaults.EMPTY_STATUS:
            obj["status"] = dict(defaults.EMPTY_STATUS[plural])
        if plural == "daemonsets":
            meta["annotations"] = {**(meta.get("annotations") or {}), TEMPLATE_GENERATION: "1"}
        if not meta.get("managedFields"):
            meta["managedFields"] = [managed(resource, manager, self.store.clock.stamp(), field_set(obj))]
        if dry_run:
            if resource.generation:
                meta["generation"] = 1
            entry = Entry({**obj, "metadata": {**meta, "uid": "", "resourceVersion": ""}}, 0)
            del entry.obj["metadata"]["resourceVersion"]
            return entry
        return self.store.create(plural, obj, quiet=quiet)

    def update(
        self, plural: str, obj: Obj, *, manager: str, status: bool = False, dry_run: bool = False
    ) -> Entry:
        """Store a changed object whose metadata names an existing one.

        `status` writes take only status (and, for built-ins, annotations and labels); main writes leave
        status alone. Unchanged: the stored entry comes back and nobody is told. A resourceVersion in `obj`
        must match.
        """
        resource = BY_PLURAL[plural]
        meta = obj["metadata"]
        name, namespace = meta["name"], meta.get("namespace", "")
        entry = self.store.get(plural, namespace, name)
        if entry is None:
            raise errors.not_found(resource, name)
        old, old_meta = entry.obj, entry.obj["metadata"]
        if meta.get("resourceVersion") not in (None, "", old_meta["resourceVersion"]):
            raise errors.conflict(resource, name)
        if meta.get("uid") not in (None, "", old_meta["uid"]):
            cause = (
                "FieldValueInvalid",
                f'Invalid value: "{meta["uid"]}": field is immutable',
                "metadata.uid",
            )
            raise errors.invalid(resource.kind, resource.group, name, [cause, cause])
        new = self._status_write(resource, old, obj) if status else self._main_write(resource, old, obj)
        if new == old:
            return entry
        new["metadata"]["managedFields"] = _stamped(
            resource, old, new, manager, self.store.clock.stamp(), status
        )
        if dry_run:
            return Entry(new, entry.version)
        ends_elsewhere = plural in ("pods", "namespaces")  # by the kubelet, and when it is empty
        if "deletionTimestamp" in old_meta and not new["metadata"].get("finalizers") and not ends_elsewhere:
            return self.store.remove(plural, namespace, name) or entry
        return self.store.put(plural, new)

    def _status_write(self, resource: Resource, old: Obj, obj: Obj) -> Obj:
        meta = dict(old["metadata"])
        if not resource.custom:
            for key in ("annotations", "labels"):
                if obj["metadata"].get(key):
                    meta[key] = obj["metadata"][key]
                elif key in obj["metadata"]:
                    meta.pop(key, None)
        new = {**old, "metadata": meta}
        if "status" in obj:
            new["status"] = obj["status"]
        else:
            new.pop("status", None)
        return new

    def _main_write(self, resource: Resource, old: Obj, obj: Obj) -> Obj:
        old_meta, given = old["metadata"], obj["metadata"]
        meta = {
            key: old_meta[key]
            for key in old_meta
            if key not in ("labels", "annotations", "ownerReferences", "finalizers")
        }
        for key in ("labels", "annotations", "ownerReferences", "finalizers"):
            if given.get(key):
                meta[key] = given[key]
        new = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
        new = {"metadata": meta, **new}
        if "status" in resource.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        complaint = validation.wrong_type(resource, new)
        if complaint:
            raise validation.undecodable(encode(old).decode(), complaint)
        defaults.fill(resource, new)
        validation.check(resource, new, old)
        if resource.generation:
            changed = any(
                new.get(key) != old.get(key)
                for key in new.keys() | old.keys()
                if key not in ("metadata", "status")
            )
            if resource.plural == "deployments":  # the Deployment strategy counts annotations as spec
                changed = changed or meta.get("annotations") != old_meta.get("annotations")
            if changed and resource.plural != "pods":
                meta["generation"] = old_meta.get("generation", 1) + 1
        if resource.plural == "daemonsets":
            was = int((old_meta.get("annotations") or {}).get(TEMPLATE_GENERATION, 1))
            now = was + (new["spec"]["template"] != old["spec"]["template"])
            meta["annotations"] = {**(meta.get("annotations") or {}), TEMPLATE_GENERATION: str(now)}
        return new

    def delete(
        self,
        plural: str,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        propagation: str | None = None,
        preconditions: Obj | None = None,
        dry_run: bool = False,
    ) -> tuple[Entry, bool]:
        """Delete or begin to: returns the last entry and whether the object is gone already."""
        resource = BY_PLURAL[plural]
        entry = self.store.get(plural, namespace, name)
        if entry is None:
            raise errors.not_found(resource, name)
        for key, value in (preconditions or {}).items():
            have = entry.obj["metadata"].get(key)
            if value is not None and value != have:
                title = "UID" if key == "uid" else "ResourceVersion"
                why = (
                    f"the {title} in the precondition ({value}) does not match the {title} in record ({have}). "
                    "The object might have been deleted and then recreated"
                )
                raise errors.conflict(resource, name, why, kind=resource.kind)
        if dry_run:
            lives_on = plural in ("pods", "namespaces") or propagation in ("Orphan", "Foreground")
            return entry, not lives_on and not entry.obj["metadata"].get("finalizers")
        obj = copy(entry)
        meta = obj["metadata"]
        if plural == "pods":
            return self._delete_pod(entry, obj, grace)
        if plural == "namespaces":
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
            meta.setdefault("deletionTimestamp", self.store.clock.stamp())
            return self.store.put(plural, obj), False
        if propagation in ("Orphan", "Foreground"):
            finalizer = "orphan" if propagation == "Orphan" else "foregroundDeletion"
            meta["finalizers"] = list(dict.fromkeys([*meta.get("finalizers", ()), finalizer]))
        if meta.get("finalizers"):
            if "deletionTimestamp" in meta:
                return entry, False
            meta["deletionTimestamp"] = self.store.clock.stamp()
            meta["deletionGracePeriodSeconds"] = 0
            if "generation" in meta:
                meta["generation"] += 1
            return self.store.put(plural, obj), False
        return self.store.remove(plural, namespace, name) or entry, True

    def _delete_pod(self, entry: Entry, obj: Obj, grace: int | None) -> tuple[Entry, bool]:
        meta = obj["metadata"]
        seconds = obj["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace
        if not obj["spec"].get("nodeName"):
            return self.store.remove("pods", entry.namespace, entry.name) or entry, True
        if "deletionTimestamp" in meta and seconds:
            return entry, False
        # the time the pod must be gone by: in the future, and moved back when the kubelet is done
        meta["deletionTimestamp"] = stamp(self.store.clock.now() + seconds)
        meta["deletionGracePeriodSeconds"] = seconds
        meta["generation"] = meta.get("generation", 1) + 1
        going = self.store.put("pods", obj)
        if seconds:
            return going, False
        return self.store.remove("pods", entry.namespace, entry.name) or going, True


def managed(resource: Resource, manager: str, time: str, fields: Obj, subresource: str = "") -> Obj:
    """One managedFields entry."""
    entry: Obj = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": resource.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    if subresource:
        entry["subresource"] = subresource
    return entry


def field_set(obj: Any, *, depth: int = 12) -> Obj:
    """FieldsV1 of an object: the bulk a real one carries. Lists of named things get `k:` keys, other lists
    are leaves."""
    fields: Obj = {}
    if not isinstance(obj, dict) or depth == 0:
        return fields
    for key, value in obj.items():
        if (
            key in ("kind", "apiVersion", "name", "namespace", "managedFields", "uid", "creationTimestamp")
            and depth > 10
        ):
            continue
        child: Obj = {}
        if isinstance(value, dict):
            child = field_set(value, depth=depth - 1)
        elif isinstance(value, list):
            for item in value:
                for name in ("name", "type", "containerPort", "uid", "mountPath", "ip"):
                    if isinstance(item, dict) and name in item:
                        shown = f'"{item[name]}"' if isinstance(item[name], str) else item[name]
                        child[f'k:{{"{name}":{shown}}}'] = {
                            ".": {},
                            **field_set(item, depth=min(depth - 1, 9)),
                        }
                        break
        fields[f"f:{key}"] = child
    return fields


def _stamped(resource: Resource, old: Obj, new: Obj, manager: str, time: str, status: bool) -> list[Obj]:
    """managedFields after a write: the writer's entry owns the top-level fields that changed."""
    subresource = "status" if status else ""
    entries = [
        e
        for e in old["metadata"].get("managedFields") or ()
        if (e.get("manager"), e.get("subresource", "")) != (manager, subresource)
    ]
    if status:
        fields: Obj = {"f:status": field_set(new.get("status"), depth=6)}
    else:
        fields = {
            f"f:{key}": {f"f:{name}": {} for name in value if value[name] != (old.get(key) or {}).get(name)}
            for key, value in new.items()
            if key not in ("status", "kind", "apiVersion")
            and isinstance(value, dict)
            and value != old.get(key)
        }
    return [*entries, managed(resource, manager, time, fields, subresource)]
