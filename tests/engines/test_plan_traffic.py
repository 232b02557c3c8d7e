"""Plans that move traffic by native objects: a Service's colour, a canary's share."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.domain.commands import Arguments, Verb
from app.engines.acting import NotOffered
from tests.engines.acts import Documents, applied, edited, engine_of, plan, state, versioned
from tests.engines.objects import cases

CASES = {f"{case.engine}/{case.name}": case for case in cases()}


def _case(name: str) -> Documents:
    return versioned(CASES[name].documents)


def _offers(documents: Documents) -> dict[Verb, Any]:
    return dict(engine_of(documents).verbs(state(documents)))


def _named(documents: Documents, kind: str) -> dict[str, Any]:
    return next(d for d in documents if d["kind"] == kind)


def test_switch_moves_the_selector_and_back() -> None:
    documents = _case("service-switch/other-colour-waits-for-the-switch")

    found = plan(documents, Verb.SWITCH)
    there = applied(documents, found.patches)
    back = plan(there, Verb.SWITCH)

    assert _offers(documents)[Verb.SWITCH].label == "Switch to green (2.0)"
    assert there[0]["spec"]["selector"] == {"app": "web", "color": "green"}
    assert found.effect.met(state(documents)) is None
    assert found.effect.met(state(there))
    assert (found.from_ and found.from_.version, found.to and found.to.version) == ("1.0", "2.0")
    assert applied(there, back.patches)[0]["spec"] == documents[0]["spec"]


def test_colour_can_be_named_by_its_name_or_its_revision_and_the_live_one_is_no_change() -> None:
    documents = _case("service-switch/other-colour-waits-for-the-switch")

    by_name = plan(documents, Verb.SWITCH, Arguments(revision="green"))
    by_key = plan(documents, Verb.SWITCH, Arguments(revision="green-rs-uid"))

    assert by_name == by_key
    assert plan(documents, Verb.SWITCH, Arguments(revision="blue")).patches == ()
    with pytest.raises(NotOffered, match="no such colour"):
        plan(documents, Verb.SWITCH, Arguments(revision="red"))


@pytest.mark.parametrize("broken", ["pods", "deployment"])
def test_switch_to_a_side_without_ready_pods_is_refused(broken: str) -> None:
    documents = _case("service-switch/other-colour-waits-for-the-switch")
    for document in documents:
        if (
            broken == "pods"
            and document["kind"] == "Pod"
            and document["metadata"]["name"].startswith("green")
        ):
            document["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
        if broken == "deployment" and document["metadata"]["name"] == "green":
            document["status"] |= {"readyReplicas": 0, "availableReplicas": 0}

    with pytest.raises(NotOffered, match="has no ready pod"):
        plan(documents, Verb.SWITCH)
    with pytest.raises(NotOffered, match="reach nobody"):
        plan(documents, Verb.SWITCH, Arguments(revision="green"))


def test_switch_to_a_smaller_side_says_so() -> None:
    offer = _offers(_case("service-switch/other-colour-is-smaller-than-the-live-one"))[Verb.SWITCH]

    assert offer.available
    assert "serves with 3 now" in offer.sentence


def test_switch_to_pods_without_the_port_is_refused() -> None:
    documents = _case("service-switch/other-colour-waits-for-the-switch")
    documents[0]["spec"]["ports"] = [{"port": 80, "targetPort": "web"}]
    named = copy.deepcopy(documents)
    for document in named:
        if document["kind"] == "Deployment":
            document["spec"]["template"]["spec"]["containers"][0]["ports"] = [
                {"name": "web", "containerPort": 80}
            ]

    assert plan(named, Verb.SWITCH).patches
    with pytest.raises(NotOffered, match="no port named web"):
        plan(documents, Verb.SWITCH)


def test_switch_is_refused_without_another_colour() -> None:
    with pytest.raises(NotOffered, match="no other colour"):
        plan(_case("service-switch/one-colour-is-live-and-there-is-no-other"), Verb.SWITCH)


@pytest.mark.parametrize("where", ["that-is-not-there", "without-pods"])
def test_service_that_leads_nowhere_can_be_pointed_at_a_colour_that_runs(where: str) -> None:
    documents = _case(f"service-switch/service-points-at-a-colour-{where}")

    after = applied(documents, plan(documents, Verb.SWITCH).patches)

    assert after[0]["spec"]["selector"]["color"] == "blue"
    with pytest.raises(NotOffered):
        plan(after, Verb.SWITCH)


def test_weights_of_a_route_are_set_in_place_and_add_up() -> None:
    documents = _case("native-canary/route-weights-are-the-share")

    found = plan(documents, Verb.SET_WEIGHT, Arguments(weight=40))
    after = applied(documents, found.patches)
    refs = _named(after, "HTTPRoute")["spec"]["rules"][1]["backendRefs"]
    tests = [op["path"] for op in found.patches[0].body if op["op"] == "test"]

    assert sorted(ref["weight"] for ref in refs) == [40, 60]
    assert "/spec/rules/1/backendRefs/0/name" in tests
    assert found.effect.met(state(documents)) is None
    assert found.effect.met(state(after))
    assert plan(after, Verb.SET_WEIGHT, Arguments(weight=40)).patches == ()


def test_weight_that_is_not_there_is_added() -> None:
    documents = _case("native-canary/route-without-weights-splits-evenly")

    after = applied(documents, plan(documents, Verb.ABORT).patches)

    assert sorted(r["weight"] for r in _named(after, "HTTPRoute")["spec"]["rules"][1]["backendRefs"]) == [
        0,
        100,
    ]


def test_weight_of_ingress_nginx_is_a_share_of_its_total() -> None:
    documents = _case("native-canary/ingress-weight-is-the-share")
    ingress = _named(documents, "Ingress")["metadata"]["annotations"]
    ingress["nginx.ingress.kubernetes.io/canary-weight-total"] = "200"

    found = plan(documents, Verb.SET_WEIGHT, Arguments(weight=0))
    half = plan(documents, Verb.SET_WEIGHT, Arguments(weight=5))

    for made, weight in ((found, "0"), (half, "10")):
        after = _named(applied(documents, made.patches), "Ingress")["metadata"]["annotations"]
        assert after["nginx.ingress.kubernetes.io/canary-weight"] == weight


@pytest.mark.parametrize("weight", [None, -1, 101])
def test_weight_that_is_none_is_refused(weight: int | None) -> None:
    with pytest.raises(NotOffered, match="0 to 100"):
        plan(_case("native-canary/route-weights-are-the-share"), Verb.SET_WEIGHT, Arguments(weight=weight))


def test_route_of_another_controller_or_with_other_backends_is_left_alone() -> None:
    documents = _case("native-canary/route-weights-are-the-share")
    at = next(i for i, d in enumerate(documents) if d["kind"] == "HTTPRoute")
    owner = {"kind": "Canary", "name": "web", "uid": "u", "controller": True}
    owned = edited(documents, at, {"metadata.ownerReferences": [owner]})
    third = copy.deepcopy(documents)
    third[at]["spec"]["rules"][1]["backendRefs"].append({"name": "mirror", "weight": 1})

    with pytest.raises(NotOffered, match="another controller"):
        plan(owned, Verb.SET_WEIGHT, Arguments(weight=1))
    with pytest.raises(NotOffered, match="alone"):
        plan(third, Verb.SET_WEIGHT, Arguments(weight=1))


def test_share_that_follows_the_pods_is_only_taken_back() -> None:
    documents = _case("native-canary/canary-waits-at-its-share-of-the-pods")
    offers = _offers(documents)

    found = plan(documents, Verb.ABORT)
    after = applied(documents, found.patches)

    assert "No route is named" in offers[Verb.SET_WEIGHT].blocked_by[0].message
    assert [d["spec"]["replicas"] for d in after if d["kind"] == "Deployment"].count(0) == 1
    assert after[0] == documents[0]


def test_autoscaler_of_a_canary_that_is_scaled_away_is_named() -> None:
    documents = _case("native-canary/canary-waits-at-its-share-of-the-pods")
    canary = [d for d in documents if d["kind"] == "Deployment"][1]["metadata"]["name"]
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "auto", "uid": "hpa", "resourceVersion": "7"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": canary}},
    }
    assert "HorizontalPodAutoscaler" in [q.kind.name for q in engine_of(documents).queries(documents[0])]
    assert "HorizontalPodAutoscaler auto sets" in plan([*documents, scaler], Verb.ABORT).sentence
    scaler["spec"] = {"scaleTargetRef": {"kind": "Deployment", "name": "another"}}
    assert "auto" not in plan([*documents, scaler], Verb.ABORT).sentence


def test_promotion_gives_the_stable_deployment_the_canarys_image() -> None:
    documents = _case("native-canary/canary-waits-at-its-share-of-the-pods")
    canary = [d for d in documents if d["kind"] == "Deployment"][1]["spec"]["template"]["spec"]["containers"]

    found = plan(documents, Verb.PROMOTE)
    after = applied(documents, found.patches)

    assert after[0]["spec"]["template"]["spec"]["containers"][0]["image"] == canary[0]["image"]
    assert found.difference[0].what.startswith("image of")
    assert found.effect.met(state(documents)) is None


def test_canary_under_way_comes_before_a_change_of_the_stable_one() -> None:
    offers = _offers(_case("native-canary/canary-waits-at-its-share-of-the-pods"))
    rest = _offers(_case("native-canary/canary-at-zero-is-at-rest"))

    for verb in (Verb.ROLLBACK, Verb.SET_IMAGE, Verb.RESTART, Verb.PAUSE):
        assert "A canary is under way." in [b.message for b in offers[verb].blocked_by]
    assert rest[Verb.SET_IMAGE].available
    assert rest[Verb.PROMOTE].blocked_by[0].message == "No canary runs."
