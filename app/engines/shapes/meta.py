"""What every object has: name, owners, labels, the annotations that mean something, conditions."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import field


class Shape(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """Base of all shapes: camelCase on the wire, never mutated once decoded, not tracked by the garbage
    collector (no cycles)."""


class Owner(Shape):
    """One owner reference."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Annotations(Shape):
    """The annotations that mean something to the board; the decoder drops all others."""

    revision: str | None = field(default=None, name="deployment.kubernetes.io/revision")
    revision_history: str | None = field(default=None, name="deployment.kubernetes.io/revision-history")
    change_cause: str | None = field(default=None, name="kubernetes.io/change-cause")
    rollout_revision: str | None = field(default=None, name="rollout.argoproj.io/revision")
    rollout_revision_history: str | None = field(default=None, name="rollout.argoproj.io/revision-history")
    workload_generation: str | None = field(default=None, name="rollout.argoproj.io/workload-generation")
    restarted_at: str | None = field(default=None, name="kubectl.kubernetes.io/restartedAt")
    argocd_tracking: str | None = field(default=None, name="argocd.argoproj.io/tracking-id")
    helm_release: str | None = field(default=None, name="meta.helm.sh/release-name")
    helm_namespace: str | None = field(default=None, name="meta.helm.sh/release-namespace")
    flux_reconcile: str | None = field(default=None, name="kustomize.toolkit.fluxcd.io/reconcile")
    held_until: str | None = field(default=None, name="shipboard.dev/held-until")
    template_generation: str | None = field(default=None, name="deprecated.daemonset.template.generation")
    switch: str | None = field(default=None, name="shipboard/switch")
    canary: str | None = field(default=None, name="shipboard/canary")
    canary_route: str | None = field(default=None, name="shipboard/canary-route")
    nginx_canary: str | None = field(default=None, name="nginx.ingress.kubernetes.io/canary")
    nginx_weight: str | None = field(default=None, name="nginx.ingress.kubernetes.io/canary-weight")
    nginx_total: str | None = field(default=None, name="nginx.ingress.kubernetes.io/canary-weight-total")


class Meta(Shape):
    """Object metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: Annotations | None = None
    owner_references: list[Owner] | None = None

    @property
    def owner_uid(self) -> str:
        """Uid of the controlling owner, empty when there is none."""
        for owner in self.owner_references or ():
            if owner.controller:
                return owner.uid
        return ""


class Present(Shape):
    """Something whose presence alone matters; its content is not decoded."""


class Condition(Shape):
    """One status condition. Times are the API's, with one second of resolution."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_update_time: datetime | None = None
    last_transition_time: datetime | None = None
