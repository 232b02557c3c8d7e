"""Puts the parts together: settings → database, live, ingest, fleet, hub, collectors → one web application.

Whatever runs for ever is supervised: a task that dies is logged, shown in /healthz and started again. Parts
start in the order they need one another and end in the reverse of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from socket import gethostname
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI

from app import __version__
from app.domain.drills import production
from app.domain.errors import StoreUnavailable
from app.domain.facts import Door, Fact
from app.ingest import Ingest
from app.live import Live
from app.perform import (
    ClusterLike,
    Freezer,
    Freezes,
    Gatekeeper,
    Gates,
    Gathering,
    Incidents,
    Perform,
    Rounds,
    Rules,
)
from app.read.evidence import evidence
from app.read.flags import Policy
from app.read.fleet import Fleet
from app.settings import Settings
from app.sources import clusters, forges
from app.sources.announced import Announcer
from app.sources.answering import Answering
from app.sources.asked import Asker, namings
from app.sources.hooked import Hook, Hooked
from app.sources.outbound import Outbound, bearer
from app.sources.polled import Polled
from app.sources.polls import POLLS, credential
from app.sources.signatures import Signatures
from app.sources.targets import opened
from app.sources.telling import Courier, Teller
from app.store import upkeep
from app.store.ci import CiRules
from app.store.db import Database
from app.store.inbox import Inbox
from app.store.lease import Leases
from app.store.outbox import Outbox
from app.store.relay import Relay
from app.supervisor import Supervisor, Work
from app.web import (
    api,
    errors,
    files,
    flagger,
    headers,
    hooks,
    incidents,
    logs,
    ops,
    pages,
    slack,
    uploads,
)
from app.web.auth import Guard, account, login, oidc, refuse_bare, viewer
from app.web.auth.doorkeeper import Doorkeeper
from app.web.auth.holders import standing
from app.web.metrics import Metrics
from app.web.render import Renderer
from app.web.streams import Hub
from app.web.watchdog import Watchdog

START_SECONDS = 5.0

log = structlog.get_logger("shipboard")


def create_app(
    settings: Settings, work: Mapping[str, Work] | None = None, *, new_database: bool = False
) -> FastAPI:
    """The whole application; its lifespan opens and closes everything else. Raises DatabaseRefused from
    there.

    `work` is more to keep running beside it; `new_database` begins without the history that was lost.
    `app.state.vitals.draining` and `app.state.hub` are the server's to use.
    """
    renderer = Renderer(public_url=settings.public_url)
    watchdog = Watchdog()
    metrics = Metrics(watchdog)
    supervisor = Supervisor()
    base = settings.address
    keeper = Doorkeeper(settings.auth, https=base.startswith("https:"), acts=settings.loopback)
    vitals = ops.Vitals(watchdog.trouble)
    vitals.down = supervisor.down

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = await Database.open(settings.database, new=new_database, audit_key=settings.audit_key)
        desks: list[slack.Desk] = []
        try:
            keeper.database = database
            live = Live()
            policy = Policy(settings.signing, settings.scan_threshold)
            fleet = Fleet(database, delivery=settings.delivered, policy=policy)
            hub = Hub(database, live, fleet, environments=settings.environments)
            reach: dict[str, ClusterLike] = {}
            place = f"{gethostname()} {settings.host} {settings.port}"
            leases = Leases(database, place=place)
            freezer = Freezer(settings.delivered)
            step_up = timedelta(minutes=settings.auth.step_up_minutes) or None
            rules = Rules(production(settings.environments), (freezer.hold,), step_up=step_up)
            facts = partial(evidence, database, delivery=settings.delivered, clock=_now)
            gathering = Gathering(facts, reach)
            gates = Gates(database, live, freezer, gathering, _now, rules=rules)
            perform = Perform(
                database,
                live,
                reach,
                rules,
                _now,
                rights_now=keeper.rights_now,
                resting=lambda: vitals.draining,
                place=place,
            )
            freezing = Freezes(database, live, _now, settings.delivery.freezes)
            marking = Incidents(database, live, _now)
            inbox = Inbox(database)
            desks += [
                slack.opened(each, gates, database, settings.auth, base) for each in settings.notify.slack
            ]
            # Routes are tried in order: webhooks first, by far the most requests, but for Slack's, whose look alike.
            if desks:
                app.include_router(slack.routes(desks))
            app.include_router(hooks.routes(inbox, settings.hooks))
            app.include_router(
                pages.routes(hub, renderer, perform, rules.production, gates, freezing, marking)
            )
            decisions = api.Decisions(gates, freezing)
            outbox = Outbox(database)
            app.include_router(api.router(hub, perform, inbox, database, decisions, outbox))
            if settings.flagger_secret:
                app.include_router(flagger.routes(gates, reach, settings.flagger_secret))
            told = Ingest(database, live, CiRules(settings.services, settings.job_stages))
            door = _reporting(metrics.counted(told), vitals)
            app.include_router(uploads.routes(uploads.Desk(database, door, Signatures(settings.signing))))
            app.include_router(incidents.routes(database, marking))
            refuse_bare(app)
            app.state.hub = vitals.projection = metrics.parts.hub = hub
            metrics.parts.fleet = fleet
            vitals.heard = lambda: any(source.lists for source in fleet.sources.values())
            supervisor.start("watchdog", watchdog.run)
            supervisor.start("projection", hub.run)
            if database.dialect == "postgresql":
                relay = Relay(database)
                live.relay = relay.tell
                supervisor.start("replicas", lambda: relay.run(live.hear))
            supervisor.start("sessions", keeper.run)
            for cluster in settings.clusters:
                collecting = clusters.collecting(cluster, settings, door, reach, leases)
                supervisor.start(f"cluster {cluster.name}", collecting)
            keeping = Gatekeeper(gates, perform, reach, live, partial(standing, database, settings.auth))
            supervisor.start("perform", lambda: _acting(perform, keeping))
            await _until_read(hub)
            supervisor.start("writer", lambda: upkeep.prove_writing(database, partial(vitals.wrote, "probe")))
            supervisor.start("audit head", lambda: upkeep.tell_head(database))
            crew = _crew(settings, database, door, gates, inbox, outbox, hub)
            crew["rounds"] = Rounds(perform, database, live, rules, _now).run
            supervisor.start_crew("leader", leases, crew)
            supervisor.start("gates", keeping.run)
            for name, more in (work or {}).items():
                supervisor.start(name, more)
            log.info("started", version=__version__, clusters=[c.name for c in settings.clusters])
            yield
            hub.closing.set()
        finally:
            for desk in desks:
                await desk.close()
            await supervisor.stop()
            await keeper.end()
            await database.close()
            log.info("ended")

    app = FastAPI(
        title="Shipboard",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=1 << 20,
    )
    app.state.vitals = vitals
    app.state.keeper = keeper
    app.state.error_page = lambda shown, scope: renderer.page(
        "error.html", {**shown, "now": datetime.now(UTC), "viewer": viewer(scope)}
    )
    errors.install(app)
    files.install(app)
    ops.install(app, vitals, metrics.exposition)
    provider = oidc.Provider(settings.auth.oidc, f"{base}/oidc/callback") if settings.auth.oidc else None
    app.include_router(login.routes(keeper, renderer, provider))
    app.include_router(account.routes(keeper, renderer, base, settings.environments))
    # The last one added stands outermost: every answer gets an id and the headers, refusals and failures too.
    app.add_middleware(Guard, resolver=keeper, public_url=settings.public_url)
    app.add_middleware(errors.Unexpected)
    app.add_middleware(
        headers.KnownHosts,
        hosts=_hosts(settings),
        refuse=errors.unknown_host,
        nearby=not settings.loopback,
    )
    app.add_middleware(headers.SecurityHeaders, https=settings.public_url.startswith("https:"))
    app.add_middleware(logs.RequestLog)
    return app


def _crew(
    settings: Settings,
    database: Database,
    door: Door,
    gates: Gates,
    inbox: Inbox,
    outbox: Outbox,
    hub: Hub,
) -> dict[str, Work]:
    """What one process does for all: takes in webhooks, polls, answers forges, tells people, deletes what is
    old."""
    base = settings.address
    crew: dict[str, Work] = {"retention": lambda: upkeep.forget(database, settings.retention_days)}
    if settings.hooks:
        asker = Asker(gates, namings(settings.hooks), settings.services)
        hooked = Hooked(inbox, door, map(Hook.of, settings.hooks), asker=asker)
        crew["webhooks"] = hooked.run
        for hook in settings.hooks:
            if hook.poll and hook.provider in POLLS:
                api_ = Outbound(hook.poll.url, credential(hook.provider, hook.poll.secret), hook.poll.private)
                polled = Polled(Hook.of(hook), api_, door, database, inbox, hooked)
                crew[f"polling {hook.id}"] = polled.run
    crew["forges"] = Answering(gates, forges.opened(settings.hooks), base).run
    for number, sink in enumerate(settings.events):
        out = Outbound(sink.url, bearer(sink.secret), sink.private)
        crew[f"events {number}"] = Announcer(database, out, base).run
    if targets := [target for target in settings.notify.targets if target.on]:
        teller = Teller(hub.fleet, outbox, settings.notify.routes, ready=lambda: hub.ready)
        crew["notices"] = teller.run
        most = settings.notify.per_minute
        for target in targets:
            name, port = target.name, opened(target)
            crew[f"telling {name}"] = Courier(name, port, outbox, door, base, per_minute=most).run
    return crew


async def _until_read(hub: Hub) -> None:
    """Give the board a moment to be read, so that the first page is one; a database that is slow may take
    longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while not hub.ready:  # noqa: ASYNC110 - once a start
                await asyncio.sleep(0.02)


def _hosts(settings: Settings) -> frozenset[str]:
    """The names this board answers to."""
    public = urlsplit(settings.public_url).hostname
    return headers.LOOPBACK | ({f"[{public}]" if ":" in public else public} if public else set())


async def _acting(perform: Perform, keeping: Gatekeeper) -> None:
    """Carry out commands once it is known what is frozen."""
    await keeping.look()
    await perform.run()


def _reporting(ingest: Door, vitals: ops.Vitals) -> Door:
    """`ingest`, telling the probes how it went."""

    async def door(facts: Sequence[Fact]) -> None:
        try:
            await ingest(facts)
        except StoreUnavailable as error:
            vitals.wrote("ingest", str(error))
            raise
        vitals.wrote("ingest")

    return door


def _now() -> datetime:
    return datetime.now(UTC)
