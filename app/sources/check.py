"""What `shipboard check` finds on a cluster: who we are there, what may be read, and what would have to be
granted.

Rights are tried, not guessed: a real LIST of one object each, and an access review for watch, which cannot be
tried without opening one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from ..domain.names import cut
from ..domain.refusals import Absent, ClusterError, Denied
from ..engines import ENGINES
from ..engines.port import LOG, POD, Engine, Kind
from ..kube import Cluster
from .decode import UNDECODABLE
from .runner import kinds

VERBS = ("list", "watch")


def verbs(kind: Kind) -> tuple[str, ...]:
    """What a collector does with a kind: the verbs its role has to grant, and no others."""
    return ("get",) if kind is LOG else VERBS


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, in a sentence. `granted` is false where rights are missing."""

    kind: Kind
    namespace: str
    well: bool
    text: str
    granted: bool = True

    @property
    def spare(self) -> bool:
        """Whether the board can do without it."""
        return bool(self.kind.worth)

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind.plural}{where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found on a cluster: the account and server version (empty when not told), and a finding
    for each kind (and namespace)."""

    cluster: str
    account: str
    version: str
    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether the board would see every workload there is."""
        return all(finding.well or finding.spare for finding in self.findings)

    @property
    def rules(self) -> str:
        """The RBAC rules that are missing, as YAML for a Role or ClusterRole; empty when none are."""
        return self._rules(spare=False)

    @property
    def spare_rules(self) -> str:
        """The same for the kinds that the board can do without."""
        return self._rules(spare=True)

    def _rules(self, *, spare: bool) -> str:
        groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for kind in self._missing(spare=spare):
            groups.setdefault((_group(kind), verbs(kind)), []).append(kind.plural)
        return "\n".join(
            f'- apiGroups: ["{group}"]\n  resources: [{", ".join(plurals)}]\n  verbs: [{", ".join(may)}]'
            for (group, may), plurals in groups.items()
        )

    @property
    def commands(self) -> tuple[str, ...]:
        """The kubectl commands that make ClusterRoles of all missing rules, that of logs apart."""
        roles: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for kind in self._missing(spare=False) + self._missing(spare=True):
            role = "shipboard-logs" if kind is LOG else "shipboard-read"
            roles.setdefault((role, verbs(kind)), []).append(
                ".".join(filter(None, (kind.plural, _group(kind))))
            )
        return tuple(
            f"kubectl create clusterrole {role} --verb={','.join(may)} --resource={','.join(resources)}"
            for (role, may), resources in roles.items()
        )

    def lines(self) -> tuple[str, ...]:
        """The report as plain text."""
        who = f" as {self.account}" if self.account else ""
        said = [f"{self.cluster}: reached{who}, Kubernetes {self.version or 'of unknown version'}"]
        said += [f"  {'ok  ' if f.well else 'FAIL'} {f}" for f in self.findings if not f.spare]
        said += ["  Of these the board can do without:"]
        said += [f"  {'ok  ' if f.well else 'note'} {f}" for f in self.findings if f.spare]
        for title, rules in (
            ("Missing rules, to be bound to that account:", self.rules),
            ("Rules that would tell more:", self.spare_rules),
        ):
            said += [f"  {title}"] * bool(rules) + [f"    {line}" for line in rules.splitlines()]
        return (*said, *(f"  or: {command}" for command in self.commands))

    def _missing(self, *, spare: bool) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys(f.kind for f in self.findings if not f.granted and f.spare is spare))


async def check(
    cluster: Cluster, namespaces: Sequence[str] = (), engines: Sequence[Engine] = ENGINES
) -> Report:
    """Look at everything a collector would read. Raises ClusterError when the server cannot be reached at all
    or does not accept the account."""
    with suppress(Denied):
        await cluster.probe(POD)
    account = version = ""
    with suppress(ClusterError):
        account = await cluster.whoami()
    with suppress(ClusterError, *UNDECODABLE):
        version = cut(msgspec.json.decode(await cluster.get("/version"), type=_Version).git_version, 40)
    findings: list[Finding] = []
    for kind in kinds(engines):
        everywhere = await _look(cluster, kind, "")
        if everywhere.granted or not namespaces:
            findings.append(everywhere)
        else:
            findings += [await _look(cluster, kind, namespace) for namespace in namespaces]
    findings += [await _logs(cluster, namespace) for namespace in namespaces or ("",)]
    return Report(cluster.name, account, version, tuple(findings))


async def _look(cluster: Cluster, kind: Kind, namespace: str) -> Finding:
    try:
        counted = msgspec.json.decode(await cluster.page(kind, namespace, limit=1), type=_Counted)
        access = await cluster.may("watch", kind, namespace)
    except Denied as error:
        return Finding(kind, namespace, False, _unseen(kind, "may not be listed", error.why), granted=False)
    except Absent:
        return Finding(kind, namespace, True, f"{_group(kind) or kind.api} is not installed; nothing to show")
    except ClusterError as error:
        return Finding(kind, namespace, False, str(error))
    except UNDECODABLE:
        return Finding(kind, namespace, False, "the answer to a list is no list")
    number = len(counted.items or ()) + (counted.metadata.remaining_item_count or 0)
    if not access.allowed:
        text = _unseen(kind, f"{number} there, may not be watched", access.reason)
        return Finding(kind, namespace, False, text, granted=False)
    return Finding(kind, namespace, True, f"{number} there, may be listed and watched")


async def _logs(cluster: Cluster, namespace: str) -> Finding:
    try:
        access = await cluster.may("get", LOG, namespace)
    except ClusterError as error:
        return Finding(LOG, namespace, False, str(error))
    if access.allowed:
        return Finding(LOG, namespace, True, "may be read")
    return Finding(LOG, namespace, False, _unseen(LOG, "may not be read", access.reason), granted=False)


def _unseen(kind: Kind, what: str, why: str) -> str:
    loss = f"Nothing is lost but {kind.worth}." if kind.worth else ""
    return " ".join(filter(None, (f"{what}.", why, loss)))


def _group(kind: Kind) -> str:
    return kind.api.rpartition("/")[0]


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


class _Remaining(msgspec.Struct, rename="camel"):
    remaining_item_count: int | None = None


class _Counted(msgspec.Struct):
    metadata: _Remaining
    items: list[msgspec.Raw] | None = None
