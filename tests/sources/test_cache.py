from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from app.domain.refusals import Garbled, Gone
from app.engines import ENGINES
from app.engines.port import DEPLOYMENT, POD, REPLICASET
from app.engines.shapes import Deployment, Pod, ReplicaSet
from app.sources.cache import Cache
from app.sources.decode import Garbage, Reader
from app.sources.intake import Intake

SHAPES = {"Deployment": Deployment, "ReplicaSet": ReplicaSet, "Pod": Pod}


def put(cache: Cache, kind: str, name: str, owner: str = "", version: str = "1", **meta: Any) -> bool:
    owners = [{"kind": "ReplicaSet" if kind == "Pod" else "Deployment", "uid": owner, "controller": True}]
    body = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": version, **meta}
    if owner:
        body["ownerReferences"] = owners
    return cache.writer(kind)(msgspec.convert({"metadata": body}, SHAPES[kind]), True)


def a_cart(order: Iterable[str] = ("Deployment", "ReplicaSet", "Pod")) -> Cache:
    cache = Cache(ENGINES, lambda namespace: namespace.startswith("kube-"))
    owners = {"Deployment": ("cart", ""), "ReplicaSet": ("cart-1", "cart"), "Pod": ("cart-1-a", "cart-1")}
    for kind in order:
        put(cache, kind, *owners[kind])
    return cache


def names(items: Iterable[Any]) -> list[str]:
    return [item.metadata.name for item in items]


@pytest.mark.parametrize("order", [("Deployment", "ReplicaSet", "Pod"), ("Pod", "ReplicaSet", "Deployment")])
def test_kin_is_found_in_whatever_order_objects_arrive(order: tuple[str, ...]) -> None:
    cache = a_cart(order)
    kin = cache.kin("cart")
    assert (names(kin.replicasets), names(kin.pods)) == (["cart-1"], ["cart-1-a"])
    assert cache.dirty == {"cart"}


def test_kin_of_a_kind_that_could_not_be_looked_at_is_empty() -> None:
    kin = a_cart().kin("cart", frozenset({"Pod"}))
    assert names(kin.replicasets) == ["cart-1"]
    assert not kin.pods
    assert kin.missing == {"Pod"}


def test_each_event_dirties_its_root_and_no_other() -> None:
    cache = a_cart()
    put(cache, "Deployment", "other")
    cache.dirty.clear()
    assert put(cache, "Pod", "cart-1-a", "cart-1", "2")
    assert cache.dirty == {"cart"}


def test_an_object_already_known_at_that_version_changes_nothing() -> None:
    cache = a_cart()
    cache.dirty.clear()
    assert not put(cache, "Pod", "cart-1-a", "cart-1", "1")
    assert not cache.dirty


def test_a_released_pod_leaves_its_root_and_says_so() -> None:
    cache = a_cart()
    cache.dirty.clear()
    put(cache, "Pod", "cart-1-a", "", "2")
    assert cache.dirty == {"cart"}
    assert not cache.kin("cart").pods


def test_an_orphan_that_is_adopted_dirties_both_owners() -> None:
    cache = a_cart()
    put(cache, "Deployment", "cart-new")
    cache.dirty.clear()
    put(cache, "ReplicaSet", "cart-1", "cart-new", "2")
    assert cache.dirty == {"cart", "cart-new"}
    assert names(cache.kin("cart-new").pods) == ["cart-1-a"]
    assert not cache.kin("cart").replicasets


def test_ignored_namespaces_and_pods_of_jobs_are_not_kept() -> None:
    cache = a_cart()
    put(cache, "Deployment", "dns", namespace="kube-system")
    job = [{"kind": "Job", "uid": "j", "controller": True}]
    put(cache, "Pod", "import", ownerReferences=job)
    assert (cache.count("Deployment"), cache.count("Pod")) == (1, 1)


def test_counts_follow_every_change() -> None:
    cache = a_cart()
    put(cache, "Pod", "cart-1-b", "cart-1")
    put(cache, "Pod", "cart-1-b", "cart-1", "2")
    assert (cache.count("Pod"), cache.count("Pod", "shop"), cache.count("Pod", "else")) == (2, 2, 0)
    cache.remove("Pod", "cart-1-b")
    cache.remove("Deployment", "cart")
    assert (cache.count("Pod"), cache.count("Deployment")) == (1, 0)
    assert cache.retain("Pod", "", set()) == 1
    assert cache.count("Pod") == 0


def test_poison_is_forgotten_when_it_becomes_readable_or_goes() -> None:
    cache = a_cart()
    reader = Reader(DEPLOYMENT)
    line = (
        b'{"type":"MODIFIED","object":{"metadata":{"name":"cart","namespace":"shop","uid":"cart"},"spec":7}}'
    )
    _, poison, _ = reader.slow_event(line)
    cache.set_aside(poison)
    assert cache.unreadable("Deployment") == ("shop/cart: Expected `object | null`, got `int` - at `$.spec`",)
    assert cache.shown("Deployment") == {"cart"}
    put(cache, "Deployment", "cart", version="3")
    assert not cache.unreadable("Deployment")
    cache.set_aside(poison)
    cache.remove("Deployment", "cart", "shop/cart")
    assert not cache.unreadable("Deployment")
    assert not cache.shown("Deployment")
    assert cache.count("Deployment") == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"metadata":{}}', b'{"metadata":{"resourceVersion":"1"},"items":[{', b"\xff"],
)
def test_f08_a_page_that_is_no_list_is_garbage(body: bytes) -> None:
    with pytest.raises(Garbage):
        Reader(POD).page(body)


@pytest.mark.parametrize(
    "item", [b"7", b"null", b"[]", b'"x"', b"{}", b'{"metadata":7}', b'{"metadata":{"uid":7}}', b'"\xff"']
)
def test_f13_any_item_is_set_aside_and_its_siblings_are_read(item: bytes) -> None:
    good = b'{"metadata":{"uid":"u","name":"n"}}'
    page = Reader(REPLICASET).page(
        b'{"metadata":{"resourceVersion":"1"},"items":[' + good + b"," + item + b"]}"
    )
    assert names(page.items) == ["n"]
    assert len(page.unreadable) == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"ADDED","object":{"metadata":{"uid":"x","name":"\xff"}}}',
        b'{"type":"ADDED","object":{"metadata":{"uid":"x"',
        b'{"type":"ADDED"}',
        b'{"type":"SOMETHING","object":{"metadata":{"uid":"x"}}}',
        b"[" * 100_000,
        b"404 page not found",
    ],
)
def test_f08_a_line_that_is_no_event_breaks_the_stream_at_the_last_good_version(line: bytes) -> None:
    intake = Intake(POD, a_cart())
    bookmark = b'{"metadata":{"resourceVersion":"7","creationTimestamp":null},"spec":{"containers":null}}'
    good = b'{"type":"BOOKMARK","object":' + bookmark + b"}"
    with pytest.raises(Garbled):
        intake.apply([good, line, good.replace(b"7", b"9")])
    assert (intake.version, intake.events) == ("7", 1)


def test_f05_an_error_event_is_the_error_it_stands_for() -> None:
    status = (
        b'{"kind":"Status","metadata":{},"code":410,"reason":"Expired","message":"too old resource version"}'
    )
    with pytest.raises(Gone, match="Too old resource version"):
        Intake(POD, a_cart()).apply([b'{"type":"ERROR","object":' + status + b"}"])
