"""The last words of containers that crash: asked for once a restart, one at a time, a few a minute.

What waits is the newest wish for each container of a root, so a fleet that crashes as a whole costs patience,
not requests. A namespace whose logs may not be read is left alone for a while, without a word.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ..domain.facts import LogRead
from ..domain.names import cut
from ..domain.refusals import ClusterError, Denied
from ..engines.port import Kin
from ..engines.shapes import Pod
from ..engines.shapes.pods import ContainerStatus
from ..kube import Cluster
from .timing import Timing

log = logging.getLogger(__name__)

CONTAINERS = 2
"""Most containers of one root whose logs are read."""
LINES = 20
BYTES = 4096
"""Most of a log that is kept, counted from its end."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Wish:
    namespace: str
    pod: str
    uid: str
    container: str
    restarts: int
    previous: bool
    ended_at: datetime


class Tails:
    """Reads on behalf of a flusher: `look` says which root was looked at, `deliver` takes what was read."""

    def __init__(
        self,
        cluster: Cluster,
        deliver: Callable[[LogRead], None],
        *,
        timing: Timing,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._cluster, self._deliver = cluster, deliver
        self._timing, self._clock, self._now = timing, clock, now
        self._bell = asyncio.Event()
        self._asked: dict[str, dict[str, tuple[str, int]]] = {}
        self._waiting: dict[tuple[str, str], _Wish] = {}
        self._denied: dict[str, float] = {}

    @property
    def denied(self) -> frozenset[str]:
        """Namespaces whose logs could not be read for want of the right to."""
        return frozenset(self._denied)

    def look(self, root: str, kin: Kin) -> None:
        """Wish for the logs of containers that have crashed since they were read last."""
        for wish in crashed(kin):
            asked, end = self._asked.setdefault(root, {}), (wish.uid, wish.restarts)
            if asked.get(wish.container) != end:
                asked[wish.container] = end
                self._waiting[root, wish.container] = wish
                self._bell.set()

    def forget(self, root: str) -> None:
        """The root is there no longer."""
        for container in self._asked.pop(root, ()):
            self._waiting.pop((root, container), None)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._waiting:
                key = next(iter(self._waiting))
                wish = self._waiting.pop(key)
                if self._clock() < self._denied.get(wish.namespace, 0.0):
                    continue
                await self._read(key[0], wish)
                await asyncio.sleep(self._timing.tail_every)

    async def _read(self, root: str, wish: _Wish) -> None:
        try:
            body = await self._cluster.log_tail(
                wish.namespace, wish.pod, wish.container, previous=wish.previous, lines=LINES
            )
        except Denied:
            self._denied[wish.namespace] = self._clock() + self._timing.tail_denied
            return
        except ClusterError:
            return  # the next crash is another chance
        except Exception:
            log.exception("%s: log: unexpected", self._cluster.name)
            return
        if (text := legible(body)) and root in self._asked:
            pod, name = cut(wish.pod), cut(wish.container)
            self._deliver(LogRead(self._cluster.name, root, pod, name, text, self._now()))


def crashed(kin: Kin) -> list[_Wish]:
    """For each container that ended badly and is not running, at most `CONTAINERS`, its pod that did so last."""
    newest: dict[str, _Wish] = {}
    for pod in kin.pods:
        status = pod.status
        for container in (
            (*(status.init_container_statuses or ()), *(status.container_statuses or ())) if status else ()
        ):
            wish = _wish(pod, container)
            known = newest.get(container.name)
            if wish and (known is None or wish.ended_at > known.ended_at):
                newest[container.name] = wish
    return list(newest.values())[:CONTAINERS]


def _wish(pod: Pod, container: ContainerStatus) -> _Wish | None:
    state = container.state
    if state is None or state.running is not None:
        return None
    ended, previous = state.terminated, False
    if ended is None and state.waiting is not None and state.waiting.reason == "CrashLoopBackOff":
        ended, previous = container.last_state.terminated if container.last_state else None, True
    if ended is None or not (ended.exit_code or ended.signal):
        return None
    at = ended.finished_at
    return _Wish(
        pod.metadata.namespace,
        pod.metadata.name,
        pod.metadata.uid,
        container.name,
        container.restart_count or 0,
        previous,
        at if at is not None and at.tzinfo is not None else _NEVER,
    )


def legible(body: bytes) -> str:
    """The last lines of a log without colours and control characters, at most `LINES` and `BYTES`."""
    kept: list[str] = []
    left = BYTES
    for line in reversed(_COLOURS.sub("", body.decode("utf-8", "replace")).splitlines()[-LINES:]):
        said = cut(line.rstrip())
        left -= len(said.encode()) + 1
        if left < 0:
            break
        kept.append(said)
    return "\n".join(reversed(kept)).strip("\n")
