"""Relations as keys: what hangs on what, which roots an object leads to, and what a root swallows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from app.engines import ENGINES, engine_for, kinship, relatives
from app.engines.port import DEPLOYMENT, SERVICE, Kin, Relation, Via
from tests.engines.objects import WAYS, Case, cases, decode, look

SHOP = {"app": "web", "color": "blue"}


def meta(name: str, owner: str = "", **more: Any) -> dict[str, Any]:
    owners = [{"kind": "X", "name": "x", "uid": owner, "controller": True}] if owner else []
    return {"name": name, "namespace": "shop", "uid": f"{name}-uid", "ownerReferences": owners, **more}


def deployment(name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": labels or {}}}
    return {"kind": "Deployment", "metadata": meta(name, **more), "spec": {"template": template}}


def service(name: str, selector: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"kind": "Service", "metadata": meta(name, **more), "spec": {"selector": selector}}


class World:
    """Objects by the keys they offer."""

    def __init__(self, documents: Iterable[dict[str, Any]]) -> None:
        self.offered: dict[kinship.Key, list[Any]] = defaultdict(list)
        for document in documents:
            child = decode(document)
            for via, of in WAYS:
                for key in kinship.offers(via, document["kind"], child) if of == document["kind"] else ():
                    self.offered[key].append(child)

    def find(self, key: kinship.Key) -> list[Any]:
        return self.offered.get(key, [])

    def kin(self, root: Any) -> Kin:
        engine = engine_for(root)
        assert engine is not None
        return kinship.gather(root, engine.relations, self.find)

    def swallowed(self, root: Any) -> frozenset[str]:
        engine = engine_for(root)
        assert engine is not None
        return kinship.swallowed(root, engine.relations, self.find)


def named(objects: Iterable[Any]) -> list[str]:
    return [o.metadata.name for o in objects]


def test_every_relation_hangs_on_the_root_or_on_a_relation_before_it() -> None:
    for engine in ENGINES:
        known = {""}
        for relation in engine.relations:
            assert set(relation.of) <= known, (engine.name, relation)
            known.add(relation.kind.name)


def test_every_related_kind_has_a_place_in_kin() -> None:
    kinds = {kind.name for kind in relatives()}

    assert kinds - set(kinship.MEMBERS) == {"Event"}
    assert set(kinship.MEMBERS.values()) <= set(Kin.__dataclass_fields__)


def test_service_is_found_by_the_pods_it_chooses() -> None:
    root = deployment("web", SHOP)
    world = World(
        [
            root,
            service("web", {"app": "web"}),
            service("blue", SHOP),
            service("green", {"app": "web", "color": "green"}),
            service("headless", {}),
            {**service("other", {"app": "web"}), "metadata": {**meta("other"), "namespace": "elsewhere"}},
        ]
    )

    assert named(world.kin(decode(root)).services) == ["blue", "web"]


def test_colours_are_found_by_the_rest_of_the_selector() -> None:
    root = service("web", SHOP, annotations={"shipboard/switch": "color"})
    world = World(
        [
            root,
            deployment("blue", SHOP),
            deployment("green", {"app": "web", "color": "green"}),
            deployment("plain", {"app": "web"}),
            deployment("other", {"app": "other", "color": "blue"}),
        ]
    )

    assert named(world.kin(decode(root)).deployments) == ["blue", "green"]
    assert world.swallowed(decode(root)) == {"blue-uid", "green-uid"}


def test_canary_and_template_are_swallowed_by_name() -> None:
    stable = deployment("web", annotations={"shipboard/canary": "web-canary"})
    rollout = {"kind": "Rollout", "metadata": meta("api"), "spec": {"workloadRef": {"name": "api-template"}}}
    flagger = {"kind": "Canary", "metadata": meta("cart"), "spec": {"targetRef": {"name": "cart"}}}
    others = ("web-canary", "api-template", "cart", "cart-primary", "unrelated")
    world = World([stable, rollout, flagger, *map(deployment, others)])

    assert world.swallowed(decode(stable)) == {"web-canary-uid"}
    assert world.swallowed(decode(rollout)) == {"api-template-uid"}
    assert world.swallowed(decode(flagger)) == {"cart-uid", "cart-primary-uid"}


def test_deployments_that_name_each_other_stay_visible() -> None:
    world = World(
        [
            deployment("web", annotations={"shipboard/canary": "api"}),
            deployment("api", annotations={"shipboard/canary": "web"}),
            deployment("self", annotations={"shipboard/canary": "self"}),
        ]
    )

    for name in ("web", "api", "self"):
        assert not world.swallowed(world.find(("name", "Deployment", "shop", name))[0])


def test_kinds_that_are_missing_are_not_taken_though_they_are_known() -> None:
    root = decode(deployment("web", SHOP))
    world = World([service("web", SHOP)])
    engine = engine_for(root)
    assert engine is not None

    kin = kinship.gather(root, engine.relations, world.find, frozenset({"Service"}))

    assert not kin.services
    assert kin.missing == {"Service"}


def test_selector_key_is_asked_for_every_label_and_checked_in_full() -> None:
    relation = Relation(SERVICE, Via.SELECTS)
    root = decode(deployment("web", SHOP))
    chosen = decode(service("web", {"app": "web", "zone": "a"}))

    assert set(kinship.offers(Via.SELECTS, "Service", chosen)) <= set(kinship.asks(relation, "", root))
    assert not kinship.holds(relation, root, chosen)
    assert kinship.asks(Relation(SERVICE, Via.SELECTS, (DEPLOYMENT.name,)), "", root) == ()


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_each_document_of_a_case_is_found_unless_its_kind_is_missing(case: Case) -> None:
    kin = look(case.documents)[2]
    found = {o.metadata.uid for member in kinship.MEMBERS.values() for o in getattr(kin, member)}
    found |= {event.metadata.uid for events in kin.warnings.values() for event in events}
    kinds = {relation.kind.name for relation in look(case.documents)[0].relations}

    lost = [
        d["metadata"]["name"]
        for d in case.documents[1:]
        if d["metadata"]["uid"] not in found and d["kind"] in kinds - {"Event"}
    ]

    assert lost == [] or "others" in case.name
