"""One kind of object on one cluster, kept in step by list and watch for ever, whatever happens to the server.

List in pages, watch from there, resume from the last version after every normal or abnormal end, list again
only when the server says 410 or a periodic comparison is due. A relist is applied as a difference, so it
shows no ghost and no false delete. Sources: Kubernetes API concepts ("Efficient detection of changes"),
client-go's reflector.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing, suppress

from ..domain.refusals import (
    Absent,
    Broken,
    ClusterError,
    Denied,
    Garbled,
    Gone,
    Misconfigured,
    Oversized,
    Throttled,
    Unauthorized,
)
from ..engines.port import Kind
from ..kube import Cluster
from .account import Account
from .cache import Cache
from .pulse import Pulse
from .standing import Standing
from .timing import Backoff, Timing

log = logging.getLogger(__name__)


class Source(Account):
    """One list→watch loop. `changed` is called after each batch that touched anything, `standing_changed`
    when the kind became listed, denied or absent. All times are those of `clock`, monotonic seconds."""

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind,
        namespace: str,
        cache: Cache,
        pulse: Pulse,
        *,
        timing: Timing,
        clock: Callable[[], float],
        rng: random.Random,
        changed: Callable[[], None],
        standing_changed: Callable[[Source], None],
        give_up_denied: bool = False,
    ) -> None:
        super().__init__(cluster.name, kind, namespace, cache, pulse, clock)
        self.version = ""
        self.absences = 0
        self._cluster = cluster
        self._timing, self._rng = timing, rng
        self._changed, self._standing_changed = changed, standing_changed
        self._give_up_denied = give_up_denied
        self._backoff = Backoff(timing, rng)
        self._logged_at = float("-inf")
        self._relist_at = float("inf")
        self._broke_at, self._stuck = "", 0
        self._page = timing.page
        self._suspect = False
        self._leash: asyncio.Timeout | None = None

    # -- the loop --------------------

    async def run(self) -> None:
        """For ever. Returns only when denied and told to give up then: at once before the first list, after it when
        denied twice, since a server that starts may refuse once."""
        while True:
            try:
                if not self.version or self._clock() >= self._relist_at:
                    await self._list()
                await self._watch()
            except Denied as error:
                if self._give_up_denied and (not self.lists_done or self.standing is Standing.DENIED):
                    return
                await self._stand(Standing.DENIED, error, self._timing.denied_retry)
            except Absent as error:
                self.absences += 1
                await self._stand(Standing.ABSENT, error, self._timing.absent_retry)
            except ClusterError as error:
                await self._recover(error)
            except Exception:
                log.exception("%s: %s: unexpected; starting over", self._cluster.name, self.kind.name)
                self.version = ""
                await self._recover(
                    Broken(f"Could not follow {self.kind.plural}", "an error in Shipboard; see its log")
                )

    def distrust(self) -> None:
        """The server's versions went backwards (a restored store): list again and believe nothing cached."""
        self._suspect = True
        self._relist_at = max(self._clock(), self._listed_at + self._timing.list_gap)
        if self._leash is not None and self._relist_at <= self._clock():
            self._leash.reschedule(asyncio.get_running_loop().time())

    # -- list --------------------

    async def _list(self) -> None:
        self.lists += 1
        began = self._clock()
        kind, namespace, before = self.kind.name, self.namespace, self.version
        self._intake.version = before
        trusted = not self._suspect
        seen: set[str] = set()
        token = ""
        while True:
            asked_at = self._clock()
            try:
                body = await self._cluster.page(
                    self.kind, namespace, limit=self._page, token=token, silence=self._timing.silence
                )
                page = self._intake.page(body, seen, trusted)
            except Oversized:
                if self._page == 1:
                    raise
                self._page = max(1, self._page // 10)
                continue
            except (Denied, Absent, Gone):
                raise
            except ClusterError as error:
                if not token:
                    raise
                # the token still holds: go on from this page instead of starting over
                await self._recover(error)
                continue
            self._heard()
            self._pulse.answered(asked_at)
            self._changed()
            token = page.token
            if not token:
                break
        ghosts = self._cache.retain(kind, namespace, seen)
        self._intake.drift += ghosts if before and trusted else 0
        self.version = self._intake.version = page.version
        self._listed_at = began
        self._suspect = False
        self._relist_at = self._clock() + self._timing.relist * self._rng.uniform(0.95, 1.05)
        self.absences = 0
        self._settle(Standing.LISTED)
        self._changed()

    # -- watch --------------------

    async def _watch(self) -> None:
        self.watches += 1
        seconds = max(1, int(self._rng.uniform(self._timing.watch_least, self._timing.watch_most)))
        began, silent = self._clock(), True
        try:
            async with asyncio.timeout(None) as self._leash:
                lines = self._cluster.watch(
                    self.kind,
                    self.namespace,
                    self.version,
                    seconds,
                    grace=self._timing.watch_grace,
                    silence=self._timing.silence,
                )
                async with aclosing(lines) as batches:
                    await anext(batches)  # it is open, which proves nothing yet
                    self.trouble = None
                    async for batch in batches:
                        silent = False
                        self._heard()
                        if batch:
                            self._take(batch)
        except TimeoutError:
            return
        finally:
            self._leash = None
        if silent and self._clock() - began >= self._timing.watch_least:
            # not even the bookmark that comes before the end: whether anything was missed, a list tells
            self._relist_at = min(self._relist_at, self._listed_at + self._timing.list_gap)
        if self._clock() - began < self._timing.retry_floor:
            # a server that ends every watch at once must not make us spin
            await self._pause(self._backoff.next())
        else:
            self._backoff.reset()

    def _take(self, batch: list[bytes]) -> None:
        before = self._intake.events
        try:
            self._intake.apply(batch)
            if (
                self._intake.backwards
            ):  # gone on from here, nothing would tell what a restored store never had
                self._suspect = True
                raise Gone(f"watch {self.kind.plural}", "the server's versions went backwards")
        finally:
            self.version = self._intake.version
            if self._intake.events > before:
                self._backoff.reset()
                self._changed()

    # -- trouble --------------------

    async def _recover(self, error: ClusterError) -> None:
        self.errors += 1
        if isinstance(error, Gone):
            self.version = ""
            if self._clock() - self._listed_at >= self._timing.list_gap:
                return
            await self._pause(self._backoff.next())
            return
        if self._clock() - self._logged_at >= 60:
            self._logged_at = self._clock()
            log.warning("%s: %s", self._cluster.name, error)
        self.trouble = error
        if isinstance(error, Garbled) and self.version:
            self._stuck = self._stuck + 1 if self.version == self._broke_at else 1
            self._broke_at = self.version
            if self._stuck > 2 and self._clock() - self._listed_at >= self._timing.list_gap:
                # the same event breaks the watch each time: a list leads past it
                self.version = ""
        if isinstance(error, Unauthorized):
            with suppress(ClusterError):
                await self._renew()
        await self._pause(self._backoff.next(), error.retry_after if isinstance(error, Throttled) else 0.0)

    async def _renew(self) -> None:
        try:
            await self._cluster.renew()
        except Misconfigured as error:
            self.trouble = error
            raise

    async def _pause(self, seconds: float, least: float = 0.0) -> None:
        """Wait; a server that answers again after an outage ends the wait early, but never before `least`."""
        await asyncio.sleep(least or self._timing.retry_floor)
        if (rest := seconds - self._timing.retry_floor) > 0 and not least:
            await self._pulse.recovered(rest)

    async def _stand(self, standing: Standing, error: ClusterError, seconds: float) -> None:
        self.version = ""
        self.trouble = error
        if standing is Standing.DENIED:
            self.errors += 1
        else:
            self._heard()
        # a starting API server may answer one 404 for a resource that is there; and where workloads hang on the
        # kind, its absence is no proof that they are gone
        if self.absences > 1 and self.kind.worth:
            self._cache.retain(self.kind.name, self.namespace, set())
        if not self._settle(standing) and self.absences == 2:
            self._standing_changed(self)
        self._changed()
        await asyncio.sleep(seconds)

    def _settle(self, standing: Standing) -> bool:
        if standing is Standing.LISTED:
            self.trouble = None
        if standing is self.standing:
            return False
        self.standing = standing
        if standing is not Standing.LISTED:
            level = logging.INFO if self.kind.worth else logging.WARNING
            log.log(level, "%s: %s is %s: %s", self._cluster.name, self.kind.name, standing, self.trouble)
        self._standing_changed(self)
        return True
