"""Who else writes a workload, and what becomes of changes that are not theirs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Manager(StrEnum):
    """What else writes a workload."""

    ARGOCD = "argocd"
    FLUX = "flux"  # a Kustomization
    FLUX_HELM = "flux_helm"  # a HelmRelease
    HELM = "helm"
    PARENT = "parent"  # the object that made it


class Reverts(StrEnum):
    """What becomes of a change that the manager did not make."""

    NO = "no"  # it stays, and is shown as drift
    ON_NEXT_REVISION = "on_next_revision"  # until the manager has something new to apply
    CONTINUOUS = "continuous"  # it is undone within seconds or at the next interval
    UNKNOWN = "unknown"  # only the manager's own object tells


@dataclass(frozen=True, slots=True)
class Source:
    """A commit of the source that an owner follows; `repo` is a repository key, empty where it is not told."""

    repo: str
    sha: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Who manages a workload: the kind of manager, its object (`kind`, `namespace`, `name`), what it does to the
    changes of others, and by which label or annotation it was recognised.

    `held_until`: its automation was stopped on purpose, until then.
    """

    manager: Manager
    kind: str
    name: str
    namespace: str = ""
    reverts: Reverts = Reverts.UNKNOWN
    evidence: str = ""
    held_until: datetime | None = None


def presumed(owner: Owner | None, undone: bool) -> Owner | None:
    """`owner`, where only its own object tells what it does, as it did when that was looked at last."""
    if owner is None or not undone or owner.reverts is not Reverts.UNKNOWN:
        return owner
    return replace(owner, reverts=Reverts.CONTINUOUS)
