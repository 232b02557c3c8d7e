"""What a cluster lets us see, asked once and told in plain words; for `shipboard check`, before anything is
followed.

Every kind the engines read is really listed (one object) and asked about for watching; nothing is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from app.domain.refusals import Absent, ClusterError, Denied
from app.engines.port import ROLLOUT, Kind
from app.kube import Cluster

from .runner import kinds

OPTIONAL = frozenset({ROLLOUT.name})
"""Kinds a cluster may well not have."""


class Sight(StrEnum):
    """How a kind can be seen."""

    FINE = "fine"
    NOT_INSTALLED = "not installed"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind in one namespace (empty: all of them), with the reason when it cannot be seen."""

    kind: Kind
    namespace: str
    sight: Sight
    why: str = ""

    @property
    def well(self) -> bool:
        """Whether nothing is to be mended here."""
        return self.sight in (Sight.FINE, Sight.NOT_INSTALLED)

    def __str__(self) -> str:
        where = f"in {self.namespace}" if self.namespace else "in all namespaces"
        said = {
            Sight.FINE: f"{self.kind.plural} {where}: may be listed and watched",
            Sight.NOT_INSTALLED: f"{self.kind.plural}: not installed on this cluster, so none are shown",
        }.get(self.sight, self.why)
        return said.rstrip(".")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about a cluster. `account` is empty where the server does not tell."""

    account: str
    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether everything can be seen."""
        return all(finding.well for finding in self.findings)

    @property
    def rules(self) -> str:
        """The RBAC rules that grant what is denied, as YAML for a Role or ClusterRole; empty when nothing
        is."""
        denied = dict.fromkeys(f.kind for f in self.findings if f.sight is Sight.DENIED)
        return "\n".join(
            f'- {{apiGroups: ["{kind.api.rpartition("/")[0]}"], resources: ["{kind.plural}"], '
            'verbs: ["list", "watch"]}'
            for kind in denied
        )


async def check(cluster: Cluster, namespaces: Sequence[str] = ()) -> Report:
    """Look at every kind: in all namespaces, and where that is denied in each of `namespaces`.

    Raises ClusterError when the cluster cannot be asked at all.
    """
    account = ""
    with suppress(Absent, Denied):
        account = await cluster.whoami()
    findings: list[Finding] = []
    for kind in kinds():
        found = await _look(cluster, kind, "")
        if found.sight is Sight.DENIED and namespaces:
            findings += [await _look(cluster, kind, namespace) for namespace in namespaces]
        else:
            findings.append(found)
    return Report(account, tuple(findings))


async def _look(cluster: Cluster, kind: Kind, namespace: str) -> Finding:
    where = namespace or "all namespaces"
    try:
        await cluster.probe(kind, namespace)
        watching = await cluster.may("watch", kind, namespace)
    except Denied as error:
        return Finding(kind, namespace, Sight.DENIED, str(error))
    except Absent as error:
        sight = Sight.NOT_INSTALLED if kind.name in OPTIONAL else Sight.FAILED
        return Finding(kind, namespace, sight, str(error))
    except ClusterError as error:
        return Finding(kind, namespace, Sight.FAILED, str(error))
    if not watching.allowed:
        why = f"Not permitted to watch {kind.plural} in {where}. {watching.reason}"
        return Finding(kind, namespace, Sight.DENIED, why)
    return Finding(kind, namespace, Sight.FINE)
