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
from app.domain.facts import Fact, SourceObserved
from app.domain.freshness import Freshness
from app.domain.refusals import ClusterError, Misconfigured
from app.engines import ENGINES
from app.ingest import Ingest
from app.kube import Cluster
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
from app.settings import ClusterSettings, HookSettings, Settings
from app.sources.alerted import Alerts
from app.sources.announced import Announcer
from app.sources.answering import Answering
from app.sources.asked import Asker
from app.sources.hooked import Hook, Hooked
from app.sources.outbound import Outbound
from app.sources.polled import Polled
from app.sources.polls import POLLS, credential
from app.sources.runner import Collector
from app.sources.signatures import Signatures
from app.sources.targets import opened
from app.sources.telling import Courier, Teller
from app.store import audit
from app.store.ci import CiRules
from app.store.db import Database
from app.store.inbox import Inbox
from app.store.lease import Leases
from app.store.notices import Notices
from app.store.outbox import Outbox
from app.store.retention import prune
from app.supervisor import Supervisor, Work
from app.web import (
    api,
    errors,
    files,
    flagger,
    forges,
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
from app.web.metrics import Door, Metrics
from app.web.render import Renderer
from app.web.streams import Hub
from app.web.watchdog import Watchdog

WRITER_BEAT = 10.0
"""Seconds between two proofs that the database takes writes."""
START_SECONDS = 5.0
RETENTION_EVERY = 3600.0
HEAD_EVERY = 60.0

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
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
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
            leases, crew = Leases(database, place=place), dict[str, Work]()
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
            # Routes are tried in order, and webhooks are by far the most requests.
            app.include_router(hooks.routes(inbox, settings.hooks))
            app.include_router(
                pages.routes(hub, renderer, perform, rules.production, gates, freezing, marking)
            )
            here = settings.public_url or f"http://{settings.host}:{settings.port}"
            desks += [
                slack.opened(each, gates, database, settings.auth, here) for each in settings.notify.slack
            ]
            if desks:
                app.include_router(slack.routes(desks))
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
                notices = Notices(database)
                live.relay = notices.tell
                supervisor.start("replicas", lambda: notices.run(live.hear))
            supervisor.start("sessions", keeper.run)
            for cluster in settings.clusters:
                collecting = _collecting(cluster, settings, door, reach, leases)
                supervisor.start(f"cluster {cluster.name}", collecting)
            keeping = Gatekeeper(gates, perform, reach, live, partial(standing, database, settings.auth))
            supervisor.start("perform", lambda: _acting(perform, keeping))
            await _until_read(hub)
            supervisor.start("writer", lambda: _prove_writing(database, vitals))
            crew["retention"] = lambda: _forget(database, settings.retention_days)
            supervisor.start("audit head", lambda: _tell_head(database))
            if settings.hooks:
                asker = Asker(gates, forges.namings(settings.hooks), settings.services)
                hooked = Hooked(inbox, door, map(_hook, settings.hooks), asker=asker)
                crew["webhooks"] = hooked.run
                for hook in settings.hooks:
                    if hook.poll and hook.provider in POLLS:
                        api_ = Outbound(
                            hook.poll.url, credential(hook.provider, hook.poll.secret), hook.poll.private
                        )
                        polled = Polled(_hook(hook), api_, door, database, inbox, hooked)
                        crew[f"polling {hook.id}"] = polled.run
            crew["forges"] = Answering(gates, forges.opened(settings.hooks), here).run
            for number, sink in enumerate(settings.events):
                out = Outbound(sink.url, _bearer(sink.secret), sink.private)
                crew[f"events {number}"] = Announcer(database, out, here).run
            if targets := [target for target in settings.notify.targets if target.on]:
                teller = Teller(fleet, outbox, settings.notify.routes, ready=lambda: hub.ready)
                crew["notices"] = teller.run
                most = settings.notify.per_minute
                for target in targets:
                    name, port = target.name, opened(target)
                    crew[f"telling {name}"] = Courier(name, port, outbox, door, here, per_minute=most).run
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


async def _prove_writing(database: Database, vitals: ops.Vitals) -> None:
    """Come round the writer's lock and the database's every few seconds, however little is to be written."""
    while True:
        try:
            async with database.writing() as session:
                await session.connection()  # where the transaction begins
            vitals.wrote("probe")
        except StoreUnavailable as error:
            vitals.wrote("probe", str(error))
        await asyncio.sleep(WRITER_BEAT)


async def _tell_head(database: Database) -> None:
    """Export the audit's head to the log each minute it moved: only what lies elsewhere shows a cut tail."""
    told = 0
    while True:
        async with database.reading() as connection:
            head = (await audit.marks(connection))[audit.HEAD]
        if head.seq != told:
            log.info("audit head", seq=head.seq, mac=head.mac)
            told = head.seq
        await asyncio.sleep(HEAD_EVERY)


def _now() -> datetime:
    return datetime.now(UTC)


async def _forget(database: Database, days: int) -> None:
    """Delete history older than `days`, little by little, every hour; not at the start, which has more to
    do."""
    while True:
        await asyncio.sleep(RETENTION_EVERY)
        now = datetime.now(UTC)
        gone = await prune(database, now - timedelta(days=days), now)
        log.info("old history deleted", rows=gone)


def _hook(hook: HookSettings) -> Hook:
    """The hook as the worker needs it."""
    silent = timedelta(hours=hook.silent_hours)
    names = tuple((each.name, each.service) for each in hook.service_names)
    alerts = Alerts(hook.environments, names, hook.blame)
    return Hook(hook.id, hook.provider, hook.repositories, silent, bool(hook.secrets), alerts)


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def _collecting(
    cluster: ClusterSettings,
    settings: Settings,
    ingest: Door,
    reach: dict[str, ClusterLike],
    leases: Leases,
) -> Work:
    """The work of following one cluster, by one process at a time; it is within `reach` of commands in each. Where it
    cannot even be tried, its sources say why."""

    async def work() -> None:
        try:
            opened = await open_cluster(cluster)
        except ClusterError as error:
            await ingest(_unheard(cluster, str(error)))
            raise
        try:
            reach[cluster.name] = opened

            async def collect() -> None:
                await Collector(opened, ingest, settings.place_rules, namespaces=cluster.namespaces).run()

            await leases.alone(f"cluster {cluster.name}", collect)()
        finally:
            reach.pop(cluster.name, None)
            await opened.close()

    return work


async def open_cluster(cluster: ClusterSettings) -> Cluster:
    """The cluster that `cluster` describes; not connected yet. Raises ClusterError."""
    if cluster.in_cluster:
        return await Cluster.in_cluster(cluster.name)
    if cluster.kubeconfig and not cluster.kubeconfig.is_file():
        raise Misconfigured(
            f"There is no kubeconfig {cluster.kubeconfig}", "", "Is it mounted, and the path right?"
        )
    return await Cluster.from_kubeconfig(cluster.name, cluster.kubeconfig, cluster.context or None)


def _unheard(cluster: ClusterSettings, why: str) -> list[SourceObserved]:
    """What its sources would say if there were any: nothing known, and the reason."""
    now = datetime.now(UTC)
    kinds = {engine.root.name for engine in ENGINES}
    return [
        SourceObserved(cluster.name, kind, namespace, Freshness.UNKNOWN, None, now, why)
        for kind in sorted(kinds)
        for namespace in cluster.namespaces or ("",)
    ]
