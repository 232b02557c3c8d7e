"""Whatever changes, in whatever order: what is kept step by step, and shown again only where dirty, equals what a
cache that sees it all at once would show."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from app.engines import ENGINES
from app.engines.shapes import SHAPES
from app.sources.cache import EVENTS, STRAYS, Cache
from tests.engines.objects import cases, look

NAMES = ("web", "api", "web-canary", "web-primary")
LABELS = ("app", "color", "zone")
OWNED = {
    "ReplicaSet": ("Deployment", "Rollout"),
    "ControllerRevision": ("StatefulSet", "DaemonSet"),
    "AnalysisRun": ("Rollout",),
    "Pod": ("ReplicaSet", "StatefulSet", "Job"),
}
KINDS = (
    *("Deployment", "Deployment", "Service", "Service", "StatefulSet", "Rollout", "Canary", "EndpointSlice"),
    *("ReplicaSet", "ReplicaSet", "Pod", "Pod", "Pod", "Event", "Event", "HTTPRoute", "ControllerRevision"),
)


def labels(rng: random.Random) -> dict[str, str]:
    return {label: rng.choice(("a", "b")) for label in LABELS if rng.random() < 0.6}


def drawn(rng: random.Random, kind: str) -> str:
    """A uid, which says namespace, name and which of two objects of that name it is, as uids never do."""
    namespace, name = rng.choice(("shop", "shop", "risk")), rng.choice(NAMES)
    return f"{kind}/{namespace}/{name}/{rng.randrange(2)}"


def made(rng: random.Random, kind: str, uid: str) -> dict[str, Any]:
    """A random object: everything by which one may hang on another changes now and then."""
    _, namespace, name, _ = uid.split("/")
    name = uid if kind in OWNED or kind == "Event" else name
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "uid": uid}
    if kind in OWNED and rng.random() < 0.9:
        owner = rng.choice(OWNED[kind])
        meta["ownerReferences"] = [{"kind": owner, "uid": drawn(rng, owner), "controller": True}]
    notes: dict[str, str] = {}
    body: dict[str, Any] = {"metadata": meta}
    if kind in ("Deployment", "StatefulSet", "Rollout"):
        body["spec"] = {"template": {"metadata": {"labels": labels(rng)}}}
    if kind == "Deployment" and rng.random() < 0.3:
        notes["shipboard/canary"] = rng.choice(NAMES)
        notes["shipboard/canary-route"] = f"HTTPRoute/{rng.choice(NAMES)}"
    if kind == "Rollout" and rng.random() < 0.5:
        body["spec"]["workloadRef"] = {"kind": "Deployment", "name": rng.choice(NAMES)}
        body["spec"]["strategy"] = {"canary": {"stableService": rng.choice(NAMES)}}
    if kind == "Canary":
        body["spec"] = {"targetRef": {"kind": "Deployment", "name": rng.choice(NAMES)}}
    if kind == "Service":
        body["spec"] = {"selector": labels(rng)}
        if rng.random() < 0.5:
            notes["shipboard/switch"] = rng.choice(LABELS)
    if kind == "EndpointSlice":
        meta["labels"] = {"kubernetes.io/service-name": rng.choice(NAMES)}
    if kind == "Event":
        about = rng.choice(("Pod", "Pod", "ReplicaSet", "Deployment", "Node"))
        body["involvedObject"] = {"kind": about, "uid": drawn(rng, about)}
        body["type"] = "Warning" if about == "ReplicaSet" else rng.choice(("Warning", "Normal"))
    return {**body, "metadata": {**meta, "annotations": notes}}


def view(cache: Cache, uid: str) -> Any:
    """What the board would be made of, for one root; None when it is not shown."""
    if uid not in cache.roots or cache.hidden(uid):
        return None
    kin = cache.kin(uid)
    warnings, notices = (
        {about: sorted(events, key=lambda e: e.metadata.name) for about, events in told.items()}
        for told in (kin.warnings, kin.notices)
    )
    return cache.engine(uid).name, cache.roots[uid], replace(kin, warnings=warnings, notices=notices)


@pytest.mark.parametrize("seed", range(16))
def test_roots_marked_dirty_are_all_whose_view_changed(seed: int) -> None:
    rng = random.Random(seed)
    kept, shown = Cache(ENGINES), dict[str, Any]()
    there: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for version in range(200):
        kind = rng.choice(KINDS)
        uid = drawn(rng, kind)
        if uid in there[kind] and rng.random() < 0.3:
            kept.remove(kind, uid)
            del there[kind][uid]
        else:
            document = made(rng, kind, uid)
            document["metadata"]["resourceVersion"] = str(version)
            item = msgspec.convert(document, SHAPES[kind])
            namesake = (item.metadata.namespace, item.metadata.name)
            for other, known in tuple(there[kind].items()):
                if other != uid and namesake == (known.metadata.namespace, known.metadata.name):
                    kept.remove(kind, other)
                    del there[kind][other]
            kept.writer(kind)(item, True)
            there[kind][uid] = item
        for lost in there["Event"].keys() - kept.versions("Event").keys():
            about = there["Event"].pop(lost).involved_object
            assert about.kind == "Node" or about.uid not in kept.versions(about.kind)
        while kept.dirty:
            one = kept.dirty.pop()
            if (seen := view(kept, one)) is None:
                shown.pop(one, None)
            else:
                shown[one] = seen
        if version % 10 == 9:
            fresh = Cache(ENGINES)
            objects = [(k, o) for k, some in there.items() for o in some.values()]
            for k, o in rng.sample(objects, len(objects)):
                fresh.writer(k)(o, True)
            whole = {uid: seen for uid in fresh.roots if (seen := view(fresh, uid)) is not None}
            assert shown == whole, version


@pytest.mark.parametrize("engine", [engine.name for engine in ENGINES])
def test_every_case_of_an_engine_is_read_from_the_cache_as_from_the_whole(engine: str) -> None:
    rng = random.Random(engine)
    compared = 0
    for case in cases():
        reader, root, kin = look(case.documents, case.missing)
        if reader.name != engine:
            continue
        cache = Cache(ENGINES)
        for document in rng.sample(case.documents, len(case.documents)):
            kind = document["kind"]
            cache.writer(kind)(msgspec.convert(document, SHAPES[kind]), False)
        uid = root.metadata.uid
        compared += 1
        assert cache.engine(uid) is reader
        assert reader.observe(root, cache.kin(uid, case.missing)) == reader.observe(root, kin), case
    assert compared


def event(name: str, about: str, at: int, sort: str = "Warning", kind: str = "Pod") -> Any:
    body = {
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "involvedObject": {"kind": kind, "uid": about},
        "type": sort,
        "lastTimestamp": f"2026-11-20T10:00:{at:02d}Z",
    }
    return msgspec.convert(body, SHAPES["Event"])


def owned_pod(cache: Cache, name: str) -> None:
    owner = [{"kind": "StatefulSet", "uid": "db", "controller": True}]
    meta = {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owner}
    cache.writer("Pod")(msgspec.convert({"metadata": meta}, SHAPES["Pod"]), True)


def test_only_the_newest_events_of_an_object_are_kept_and_go_with_it() -> None:
    cache = Cache(ENGINES)
    meta = {"name": "db", "namespace": "shop", "uid": "db"}
    cache.writer("StatefulSet")(msgspec.convert({"metadata": meta}, SHAPES["StatefulSet"]), True)
    owned_pod(cache, "db-0")
    for at in (5, *range(EVENTS + 3, 0, -1)):
        cache.writer("Event")(event(f"e{at}", "db-0", at), False)

    assert {e.metadata.name for e in cache.kin("db").warnings["db-0"]} == {
        f"e{at}" for at in range(4, EVENTS + 4)
    }
    assert not cache.writer("Event")(event("older", "db-0", 0), True), "a refused event is no news"
    cache.remove("Pod", "db-0")
    assert cache.count("Event") == 0
    assert cache.dirty == {"db"}


def test_warnings_are_kept_whatever_else_is_said_of_an_object() -> None:
    cache = Cache(ENGINES)
    meta = {"name": "db", "namespace": "shop", "uid": "db"}
    cache.writer("StatefulSet")(msgspec.convert({"metadata": meta}, SHAPES["StatefulSet"]), True)
    owned_pod(cache, "db-0")
    cache.writer("Event")(event("wrong", "db-0", 1), True)
    for at in range(2, EVENTS + 5):
        cache.writer("Event")(event(f"n{at}", "db-0", at, "Normal"), True)
    kin = cache.kin("db")
    assert [e.metadata.name for e in kin.warnings["db-0"]] == ["wrong"]
    assert len(kin.notices["db-0"]) == EVENTS


def test_what_a_replicaset_says_of_each_pod_is_not_kept_but_its_warnings_are() -> None:
    cache = Cache(ENGINES)
    assert not cache.writer("Event")(event("made", "rs", 1, "Normal", "ReplicaSet"), True)
    assert cache.count("Event") == 0
    cache.writer("Event")(event("refused", "rs", 1, "Warning", "ReplicaSet"), True)
    assert cache.count("Event") == 1


def test_events_of_objects_never_seen_are_bounded_and_those_seen_later_are_found() -> None:
    cache = Cache(ENGINES)
    for number in range(STRAYS + 50):
        assert not cache.writer("Event")(event(f"e{number}", f"pod-{number}", 1), True)
    owned_pod(cache, f"pod-{STRAYS}")

    assert cache.count("Event") == STRAYS
    meta = {"name": "db", "namespace": "shop", "uid": "db"}
    cache.writer("StatefulSet")(msgspec.convert({"metadata": meta}, SHAPES["StatefulSet"]), True)
    assert set(cache.kin("db").warnings) == {f"pod-{STRAYS}"}
