import pytest

from app.domain.names import Place, WorkloadRef
from app.domain.places import PlaceRules, Rule, place

RULES = PlaceRules()


def ref(namespace: str = "shop", cluster: str = "main", name: str = "cart") -> WorkloadRef:
    return WorkloadRef(cluster, namespace, "Deployment", name)


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({}, "cart"),
        (None, "cart"),
        ({"app": "basket"}, "basket"),
        ({"k8s-app": "basket"}, "basket"),
        ({"app.kubernetes.io/name": "basket", "app.kubernetes.io/instance": "basket-staging"}, "basket"),
        ({"app.kubernetes.io/instance": "basket-staging"}, "basket-staging"),
        ({"app.kubernetes.io/name": "", "app": "basket"}, "basket"),
    ],
)
def test_service_is_the_best_label_or_the_name(labels: dict[str, str] | None, service: str) -> None:
    assert place(ref(), labels, RULES).service == service


@pytest.mark.parametrize(
    ("namespace", "cluster", "environment"),
    [
        ("production", "main", "production"),
        ("prod", "main", "prod"),
        ("shop-staging", "main", "staging"),
        ("staging-shop", "main", "staging"),
        ("prod-eu-1", "main", "prod"),
        ("shop-pre-prod", "main", "preprod"),
        ("shop-non-prod", "prod-eu", "nonprod"),
        ("shop", "prod-eu", "prod"),
        ("shop", "gke_acme_eu_live", "live"),
        ("test", "prod-eu", "test"),
        ("reproduction", "main", "main"),
        ("shop", "main", "main"),
        ("latest-products", "main", "main"),
    ],
)
def test_environment_is_a_known_word_of_namespace_then_cluster(
    namespace: str, cluster: str, environment: str
) -> None:
    assert place(ref(namespace, cluster), {}, RULES).environment == environment


def test_configured_rules_come_first_and_the_first_match_wins() -> None:
    rules = PlaceRules(rules=(Rule("eu", "prod-*", "shop-*"), Rule("world", "prod-*")))
    assert place(ref("shop-test", "prod-1"), {}, rules).environment == "eu"
    assert place(ref("test", "prod-1"), {}, rules).environment == "world"
    assert place(ref("test", "dev-1"), {}, rules).environment == "test"


def test_team_comes_from_its_labels() -> None:
    assert place(ref(), {"app.kubernetes.io/part-of": "shop", "owner": "ann"}, RULES).team == "ann"
    assert place(ref(), {"squad": "x"}, PlaceRules(team_labels=("squad",))) == Place("cart", "main", "x")


def test_environments_are_in_promotion_order() -> None:
    given = ["production", "shop-prod", "staging", "main", "dev", "staging"]
    assert RULES.ordered(given) == ("main", "dev", "staging", "shop-prod", "production")


def test_system_namespaces_are_ignored_unless_configured() -> None:
    assert RULES.ignores("kube-system")
    assert not RULES.ignores("shop")
    assert PlaceRules(ignored_namespaces=("tmp-*",)).ignores("tmp-1")


def test_hostile_names_are_cut_and_cleaned() -> None:
    found = place(ref(name="x" * 5000), {"team": "a\x00b" * 200}, RULES)
    assert len(found.service) <= 100
    assert len(found.team) <= 100
    assert found.team.isprintable()
