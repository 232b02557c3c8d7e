"""What can go wrong on demand: the switches a test or a demonstration sets, and the verbs that act once.

`Faults` is plain data, changed over `/_bench/faults` or in process; the HTTP edge and the watches look at it.
Resource sets hold plurals; "*" stands for every resource.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from app.demo.resources import ARGO_GROUP, LATER_GROUPS


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is forbidden (403). Empty fields match anything; `cluster_wide` only what is asked for in all
    namespaces at once, as where a Role is granted and no ClusterRole."""

    verb: str = ""
    resource: str = ""
    namespace: str = ""
    cluster_wide: bool = False

    def covers(self, verb: str, resource: str, namespace: str) -> bool:
        return not (self.cluster_wide and namespace) and all(
            not mine or mine == theirs
            for mine, theirs in ((self.verb, verb), (self.resource, resource), (self.namespace, namespace))
        )


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The switches; the defaults are a healthy server.

    refuse: the listener is closed and connections are cut. stall: watches stay open and silent (no
    bookmarks either). bookmarks_only: watches carry bookmarks, no events. lie: share of events lost (0..1)
    by resource. gone_watch / gone_watch_http: watches answer 410 as an ERROR event / as HTTP 410.
    gone_continue: a continue token is 410. latency: seconds before any answer. bandwidth: bytes/s of a
    watch or list (0: unlimited). unauthorized: every request is 401. forbid: 403 rules. busy: 429 or 503
    (0: off), with retry_after seconds and busy_share of requests hit. garbage / truncated: the next event
    of these resources is broken, once each. crd_absent: the Argo Rollouts group is not installed. absent:
    other groups that are not; at first all that can be installed later. bookmark_interval: seconds
    between bookmarks.
    """

    refuse: bool = False
    stall: set[str] = msgspec.field(default_factory=set)
    bookmarks_only: set[str] = msgspec.field(default_factory=set)
    lie: dict[str, float] = msgspec.field(default_factory=dict)
    gone_watch: set[str] = msgspec.field(default_factory=set)
    gone_watch_http: set[str] = msgspec.field(default_factory=set)
    gone_continue: set[str] = msgspec.field(default_factory=set)
    latency: float = 0.0
    bandwidth: int = 0
    unauthorized: bool = False
    forbid: list[Rule] = msgspec.field(default_factory=list)
    busy: int = 0
    busy_share: float = 1.0
    retry_after: int = 1
    garbage: set[str] = msgspec.field(default_factory=set)
    truncated: set[str] = msgspec.field(default_factory=set)
    crd_absent: bool = False
    absent: set[str] = msgspec.field(default_factory=lambda: set(LATER_GROUPS))
    bookmark_interval: float = 60.0

    def forbids(self, verb: str, resource: str, namespace: str) -> bool:
        return any(rule.covers(verb, resource, namespace) for rule in self.forbid)

    def groups_absent(self) -> set[str]:
        """The groups whose paths answer as if nobody had ever heard of them."""
        return self.absent | {ARGO_GROUP} if self.crd_absent else self.absent

    def loses(self, resource: str) -> bool:
        """Whether this one event is to be lost."""
        share = self.lie.get(resource, self.lie.get("*", 0.0))
        return share > 0 and random.random() < share

    def hits_busy(self) -> bool:
        return bool(self.busy) and random.random() < self.busy_share

    def switch(self, **changes: Any) -> None:
        """Change some switches, given as plain JSON values. Raises msgspec.ValidationError and changes
        nothing if wrong."""
        merged = msgspec.convert({**msgspec.to_builtins(self), **changes}, Faults)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(merged, name))

    def reset(self) -> None:
        self.switch(**msgspec.to_builtins(Faults()))


def among(resource: str, chosen: set[str]) -> bool:
    return resource in chosen or "*" in chosen
