"""Which objects belong to which root: relations as keys, so that whoever keeps objects needs two dictionaries
and no engine.

An object lies under the keys it `offers`; an anchor finds its relatives under the keys it `asks`. Both are
equal exactly when the one may hang on the other, and `holds` says whether it does (only selectors need it).
Whoever keeps objects indexes child by offered key and anchor by asked key: a child that changes then leads
to its anchors, up to the root, in constant time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import warnings
from .port import Kin, Relation, Via
from .shapes import (
    DaemonSet,
    Deployment,
    EndpointSlice,
    Event,
    FlaggerCanary,
    Pod,
    ReplicaSet,
    Rollout,
    Service,
    StatefulSet,
)

Key = tuple[str, ...]
"""Way, kind of the child, and what has to agree (uid, or namespace with name or label)."""

MEMBERS: Mapping[str, str] = {
    "AnalysisRun": "runs",
    "ControllerRevision": "revisions",
    "DaemonSet": "daemonsets",
    "Deployment": "deployments",
    "EndpointSlice": "slices",
    "Experiment": "experiments",
    "HTTPRoute": "routes",
    "Ingress": "ingresses",
    "Pod": "pods",
    "ReplicaSet": "replicasets",
    "Service": "services",
}
"""The member of `Kin` for each kind; Events go to `warnings` and `notices`."""

BY_UID = (Via.OWNER, Via.INVOLVED)
"""The ways by which an object holds its anchor's uid: the last part of such a key leads to the anchor without
an index."""

_SERVICE_NAME = "kubernetes.io/service-name"


def offers(via: Via, kind: str, child: Any) -> tuple[Key, ...]:
    """The keys under which `child`, of `kind`, can be found by this way."""
    meta = child.metadata
    here = (via.value, kind, meta.namespace)
    if via in BY_UID:
        uid = HOLDERS[via](child)
        return ((via.value, kind, uid),) if uid else ()
    if via is Via.NAME:
        return ((*here, meta.name),)
    if via is Via.NAMES:
        return tuple((*here, *name) for name in named_by(child))
    if via is Via.SELECTS:
        chosen = min(selector(child).items(), default=None)
        return ((*here, *chosen),) if chosen else ()
    return tuple((*here, *label) for label in pod_labels(child).items())


def asks(relation: Relation, kind: str, anchor: Any) -> tuple[Key, ...]:
    """The keys under which the relatives of `anchor`, of `kind`, are found; () when `kind` is none of the
    relation's anchors. The root's kind is told by the empty text in `of`, so the caller passes "" for it."""
    if kind not in relation.of:
        return ()
    via, meta, child = relation.via, anchor.metadata, relation.kind.name
    here = (via.value, child, meta.namespace)
    if via in BY_UID:
        return ((via.value, child, meta.uid),) if meta.uid else ()
    if via is Via.NAME:
        return tuple((*here, name) for of, name in names(anchor) if of == child)
    if via is Via.NAMES:
        return ((*here, type(anchor).__name__, meta.name),)
    if via is Via.SELECTS:
        return tuple((*here, *label) for label in pod_labels(anchor).items())
    chosen = min(selector(anchor).items(), default=None)
    return ((*here, *chosen),) if chosen else ()


def bonds(of: Any) -> tuple[object, ...]:
    """What of an object `holds` looks at, besides what its keys say."""
    return selector(of), _switched(of), names(of)


def holds(relation: Relation, anchor: Any, child: Any) -> bool:
    """Whether a child found under an asked key really hangs on `anchor`. Nothing hangs on itself, and of two
    Deployments that name each other neither is the other's canary, or both would vanish."""
    if child is anchor:
        return False
    if relation.via is Via.NAME and isinstance(anchor, Deployment) and isinstance(child, Deployment):
        return ("Deployment", anchor.metadata.name) not in names(child)
    if relation.via is Via.SELECTS:
        return selector(child).items() <= pod_labels(anchor).items()
    if relation.via is Via.SELECTED:
        chosen, labels = selector(anchor), pod_labels(child)
        return chosen.items() <= labels.items() and _switched(anchor) in (None, *labels)
    return True


def gather(
    root: Any,
    relations: Iterable[Relation],
    find: Callable[[Key], Iterable[Any]],
    missing: frozenset[str] = frozenset(),
) -> Kin:
    """The kin of a root. `find` answers the objects that offer a key; none of a `missing` kind is taken."""
    found: dict[str, dict[str, Any]] = {"": {root.metadata.uid: root}}
    for relation in relations:
        members = found.setdefault(relation.kind.name, {})
        if relation.kind.name in missing:
            continue
        by_uid = relation.via in BY_UID
        for of in relation.of:
            for anchor in tuple(found.get(of, {}).values()):
                if by_uid:  # the most of what is looked up, and nothing is left to be checked
                    for child in find((relation.via.value, relation.kind.name, anchor.metadata.uid)):
                        members[child.metadata.uid] = child
                    continue
                for key in asks(relation, of, anchor):
                    for child in find(key):
                        if holds(relation, anchor, child):
                            members[child.metadata.uid] = child
    warned: dict[str, list[Event]] = {}
    noted: dict[str, list[Event]] = {}
    for event in found.pop("Event", {}).values():
        told = warned if event.type == warnings.TYPE else noted
        told.setdefault(event.involved_object.uid, []).append(event)
    by_name = {
        MEMBERS[kind]: sorted(members.values(), key=lambda o: o.metadata.name)
        for kind, members in found.items()
        if kind
    }
    return Kin(missing=missing, warnings=warned, notices=noted, **by_name)


def swallowed(
    root: Any, relations: Iterable[Relation], find: Callable[[Key], Iterable[Any]]
) -> frozenset[str]:
    """Uids of the objects that are part of this root and are not shown as workloads of their own. Ask only of
    roots that their engine claims; a root of another engine may be among them."""
    return frozenset(
        child.metadata.uid
        for relation in relations
        if relation.swallows
        for key in asks(relation, "", root)
        for child in find(key)
        if holds(relation, root, child)
    )


def part(kin: Kin, deployment: Deployment) -> Kin:
    """Of the kin of a root that joins several Deployments, what hangs below one of them."""
    owned = [rs for rs in kin.replicasets if rs.metadata.owner_uid == deployment.metadata.uid]
    uids = {rs.metadata.uid for rs in owned}
    pods = [pod for pod in kin.pods if pod.metadata.owner_uid in uids]
    return Kin(owned, pods, kin.missing, warnings=kin.warnings, notices=kin.notices)


def names(anchor: Any) -> tuple[tuple[str, str], ...]:
    """What an object names, as (kind, name): the template or target it stands for, Services, routes."""
    found: list[tuple[str, str | None]] = []
    if isinstance(anchor, Rollout) and anchor.spec is not None:
        if anchor.spec.workload_ref is not None:
            found.append((anchor.spec.workload_ref.kind or "Deployment", anchor.spec.workload_ref.name))
        strategy = anchor.spec.strategy
        if strategy is not None and strategy.canary is not None:
            found += [
                ("Service", strategy.canary.stable_service),
                ("Service", strategy.canary.canary_service),
            ]
        if strategy is not None and strategy.blue_green is not None:
            colours = strategy.blue_green
            found += [("Service", colours.active_service), ("Service", colours.preview_service)]
    elif isinstance(anchor, FlaggerCanary) and anchor.spec is not None and anchor.spec.target_ref is not None:
        target, service = anchor.spec.target_ref, anchor.spec.service
        apex = (service.name if service else None) or target.name
        found += [(target.kind or "Deployment", n) for n in (target.name, f"{target.name}-primary")]
        found += [("Service", apex), ("Service", f"{apex}-primary")]
    elif isinstance(anchor, Deployment | StatefulSet | DaemonSet):
        # a Service of the same name is meant for it, also when a slip in its selector leads elsewhere
        found.append(("Service", anchor.metadata.name))
        notes = anchor.metadata.annotations
        if notes is not None and isinstance(anchor, Deployment):
            kind, _, name = (notes.canary_route or "").partition("/")
            found += [("Deployment", notes.canary), (kind, name)]
    return tuple((kind, name) for kind, name in found if name)


def named_by(child: Any) -> tuple[tuple[str, str], ...]:
    """The objects that `child` says it belongs to, as (kind, name)."""
    service = (child.metadata.labels or {}).get(_SERVICE_NAME) if isinstance(child, EndpointSlice) else None
    return (("Service", service),) if service else ()


def selector(of: Any) -> Mapping[str, str]:
    """The labels by which an object chooses pods. Of a Service that switches between colours, those by which
    it does not tell them apart."""
    if not isinstance(of, Service) or of.spec is None:
        return {}
    switched = _switched(of)
    return {k: v for k, v in (of.spec.selector or {}).items() if k != switched}


def pod_labels(of: Any) -> Mapping[str, str]:
    """The labels of a pod, or of the pods that a workload makes."""
    if isinstance(of, Pod):
        return of.metadata.labels or {}
    if not isinstance(of, Deployment | StatefulSet | DaemonSet | Rollout | ReplicaSet) or of.spec is None:
        return {}
    template = of.spec.template
    return (template.metadata.labels or {}) if template is not None and template.metadata is not None else {}


def _owner(child: Any) -> str:
    return str(child.metadata.owner_uid)


def _involved(child: Any) -> str:
    return child.involved_object.uid if isinstance(child, Event) and child.involved_object else ""


HOLDERS: Mapping[Via, Callable[[Any], str]] = {Via.OWNER: _owner, Via.INVOLVED: _involved}
"""The uid of the anchor that an object holds, by each way of `BY_UID`; empty when it holds none."""


def holder_kind(child: Any) -> str:
    """The kind of the object whose uid `child` holds; empty when it holds none."""
    if isinstance(child, Event):
        return child.involved_object.kind if child.involved_object else ""
    return next((o.kind for o in child.metadata.owner_references or () if o.controller), "")


def _switched(of: Any) -> str | None:
    notes = of.metadata.annotations if isinstance(of, Service) else None
    return notes.switch if notes is not None else None
