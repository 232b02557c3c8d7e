"""What a source may say, in our words. Facts are complete at birth and never a vendor's payload.

Every fact carries `seen_at`, when we learned it (aware UTC); when it happened is inside, where the source told it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .ci import CiFact
from .dora import IncidentTold
from .freshness import Freshness
from .names import Place, WorkloadRef
from .reports import Reported
from .rollout import RolloutState

WEBHOOKS, POLLING = "webhooks", "polling"
"""Kinds of sources that tell of CI; no workload depends on them."""
TELLING = "telling"
"""Not heard but spoken to: a target of notices, which stands among the sources since it can fall silent as they do."""


@dataclass(frozen=True, slots=True)
class WorkloadObserved:
    """One look at a workload. `uid` identifies it through renames and re-creation; `engine` is the engine's name."""

    ref: WorkloadRef
    uid: str
    place: Place
    engine: str
    state: RolloutState
    seen_at: datetime

    @property
    def key(self) -> str:
        """Stable identity of the workload: cluster and uid."""
        return f"{self.ref.cluster}:{self.uid}"


@dataclass(frozen=True, slots=True)
class WorkloadGone:
    """The cluster said that the workload was deleted."""

    cluster: str
    uid: str
    seen_at: datetime

    @property
    def key(self) -> str:
        """Stable identity of the workload: cluster and uid."""
        return f"{self.cluster}:{self.uid}"


@dataclass(frozen=True, slots=True)
class EventObserved:
    """What the cluster said of one object of a workload, copied because clusters soon forget (Kubernetes: within an
    hour); `warning`: that something is wrong. `uid` is the event's, or made up for what several pods say alike;
    `root` is the workload's. `about` is "Pod/name"; it was seen `times` so far, first at `first_at` and last at
    `last_at`."""

    cluster: str
    uid: str
    root: str
    warning: bool
    about: str
    reason: str
    message: str
    times: int
    first_at: datetime
    last_at: datetime
    seen_at: datetime

    @property
    def key(self) -> str:
        """Stable identity of the event: cluster and uid."""
        return f"{self.cluster}:{self.uid}"

    @property
    def workload(self) -> str:
        """Key of the workload it is about."""
        return f"{self.cluster}:{self.root}"


@dataclass(frozen=True, slots=True)
class LogRead:
    """The last lines that a container of a workload wrote before it crashed; `root` is the workload's uid."""

    cluster: str
    root: str
    pod: str
    container: str
    text: str
    seen_at: datetime

    @property
    def key(self) -> str:
        """What the newest replaces: the container of the workload, in whichever pod."""
        return f"{self.workload}/{self.container}"

    @property
    def workload(self) -> str:
        """Key of the workload."""
        return f"{self.cluster}:{self.root}"


@dataclass(frozen=True, slots=True)
class WorkloadsListed:
    """A complete list of one kind was read: any workload of that cluster, kind (and namespace, unless empty) that is
    not among `uids` no longer exists. Lets a restart, or a relist after a gap, end what was deleted meanwhile."""

    cluster: str
    kind: str
    namespace: str
    uids: frozenset[str]
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class SourceObserved:
    """How a source itself is. `kind` is what it watches ("Pod"), `namespace` is empty for all of them.

    `contact_at` is when it last proved itself (None: never); `message` says in plain words what is wrong and what to
    do, empty when LIVE; `unreadable` names objects that could not be read, with the reason ("ns/name: why").
    `installed`: the cluster knows the kind, as far as was seen.
    """

    cluster: str
    kind: str
    namespace: str
    freshness: Freshness
    contact_at: datetime | None
    seen_at: datetime
    message: str = ""
    objects: int = 0
    lists: int = 0
    watches: int = 0
    events: int = 0
    errors: int = 0
    unreadable: tuple[str, ...] = ()
    installed: bool = True

    @property
    def key(self) -> str:
        """Stable identity of the source."""
        return f"{self.cluster}/{self.kind}/{self.namespace}"


@dataclass(frozen=True, slots=True)
class SourcesNamed:
    """Which sources a cluster has, by `SourceObserved.key`: rows of others are of a past configuration or of past
    rights, and nothing will be heard of them again."""

    cluster: str
    sources: frozenset[str]


Fact = (
    WorkloadObserved
    | WorkloadGone
    | EventObserved
    | LogRead
    | WorkloadsListed
    | SourceObserved
    | SourcesNamed
    | CiFact
    | Reported
    | IncidentTold
)
Door = Callable[[Sequence[Fact]], Awaitable[None]]
"""The one way in for facts, in their order; raises StoreUnavailable."""
