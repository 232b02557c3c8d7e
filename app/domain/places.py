"""Where a workload stands on the board: which service it is, which environment it serves, which team ships
it.

Read from labels and names, with configured rules first. Pure; every input gives a printable answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from .names import Place, WorkloadRef, cut

MAX_NAME = 100
"""Longest service, environment or team name kept, in characters."""

ENVIRONMENTS = (
    *("sandbox", "playground", "local", "dev", "develop", "development", "nonprod", "nonproduction", "ci"),
    *("test", "testing", "int", "integration", "qa", "uat", "acceptance", "demo", "perf", "stage", "staging"),
    *("preprod", "preproduction", "canary", "prod", "prd", "production", "live"),
)
"""Words that name an environment, in promotion order."""

SERVICE_LABELS = ("app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/instance")
"""Labels that name the service, best first. `name` before `instance`: Helm sets the instance to the release,
which often carries the environment ("cart-staging") and is shared by all parts of an umbrella chart, so it
would neither line up across environments nor tell services apart."""

TEAM_LABELS = ("team", "owner", "app.kubernetes.io/part-of")
IGNORED_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")


@dataclass(frozen=True, slots=True)
class Rule:
    """What matches both shell patterns serves `environment`."""

    environment: str
    cluster: str = "*"
    namespace: str = "*"


@dataclass(frozen=True, slots=True)
class PlaceRules:
    """How places are found: `rules` first (the first match wins), then the words in `environments`, which are
    also the promotion order; labels in order of preference; namespaces (shell patterns) that are not shown at
    all."""

    environments: tuple[str, ...] = ENVIRONMENTS
    rules: tuple[Rule, ...] = ()
    service_labels: tuple[str, ...] = SERVICE_LABELS
    team_labels: tuple[str, ...] = TEAM_LABELS
    ignored_namespaces: tuple[str, ...] = IGNORED_NAMESPACES

    def ignores(self, namespace: str) -> bool:
        """Whether nothing in `namespace` is shown."""
        return any(fnmatchcase(namespace, pattern) for pattern in self.ignored_namespaces)

    def rank(self, environment: str) -> tuple[int, str]:
        """Sort key in promotion order; environments without a known word come first."""
        word = _word(environment, self.environments)
        return (self.environments.index(word) if word else -1, environment)

    def ordered(self, environments: Iterable[str]) -> tuple[str, ...]:
        """`environments` without doubles, in promotion order."""
        return tuple(sorted(set(environments), key=self.rank))


def place(ref: WorkloadRef, labels: Mapping[str, str] | None, rules: PlaceRules) -> Place:
    """The cell of the board for `ref` with its own `labels`."""
    service = _first(labels, rules.service_labels) or cut(ref.name, MAX_NAME)
    return Place(
        service,
        cut(_environment(ref.cluster, ref.namespace, rules), MAX_NAME),
        _first(labels, rules.team_labels),
    )


@lru_cache(maxsize=4096)  # there are few namespaces, and each is asked about at every look at a workload
def _environment(cluster: str, namespace: str, rules: PlaceRules) -> str:
    for rule in rules.rules:
        if fnmatchcase(cluster, rule.cluster) and fnmatchcase(namespace, rule.namespace):
            return rule.environment
    known = rules.environments
    return _word(namespace, known) or _word(cluster, known) or cluster


def _word(name: str, known: tuple[str, ...]) -> str:
    """The last known word among the parts of `name`; "non-prod" and "pre-prod" are one word each, never
    production."""
    if name in known:
        return name
    parts = re.split(r"[^a-z0-9]+", name.lower())
    for end in range(len(parts), 0, -1):
        for word in ("".join(parts[max(end - 2, 0) : end]), parts[end - 1]):
            if word in known:
                return word
        if end > 1 and parts[end - 2] in ("non", "no", "not") and parts[end - 1] in known:
            return ""
    return ""


def _first(labels: Mapping[str, str] | None, names: tuple[str, ...]) -> str:
    return next((cut(labels[n], MAX_NAME) for n in names if labels and labels.get(n)), "")
