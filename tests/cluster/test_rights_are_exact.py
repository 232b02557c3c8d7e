"""The shipped roles, on a real API server: what they grant is what Shipboard asks for, in both directions.

Shipboard runs as the shipped account with the shipped manifests and nothing else; the API server's audit log tells
what it asked for, from the first list to the last log.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.commands import Arguments, Verb
from app.domain.names import WorkloadRef
from app.kube import Cluster
from app.perform import Ask, NotKnown, Preview
from app.read.rows import SourceRow
from app.sources.check import Report, check
from app.sources.runner import kinds
from tests.cluster.account import account, granted
from tests.cluster.api import STRATEGIC
from tests.cluster.board import NAME, watching
from tests.cluster.levers import ADA, path
from tests.cluster.manifests import (
    OWNERS,
    canary,
    colour,
    daemon_set,
    deployment,
    http_route,
    image,
    ingress,
    managed,
    native_canary,
    owner,
    pod_template,
    rollout,
    stateful_set,
    switch,
)
from tests.cluster.story import Story

pytestmark = pytest.mark.anyio
ANYBODY = {
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
    ("get", "", "/version"),
}
"""What `shipboard check` asks besides: granted to every account by Kubernetes itself (system:basic-user and
system:public-info-viewer)."""


async def is_listed_and_watched(story: Story) -> None:
    """Every kind is followed."""
    await story.begin(deployment(story.name, pod_template(story.name, "web:1", probe=False)))
    await story.ship("web:2")
    await story.good("web:2")
    wanted = {(kind.name, "live") for kind in kinds()}
    async with asyncio.timeout(30):
        while {(s.kind, s.freshness.value) for s in _followed(story)} != wanted:
            await asyncio.sleep(0.1)


def _followed(story: Story) -> list[SourceRow]:
    return [source for source in story.board.fleet.sources.values() if source.watches]


async def reads_the_log_of_a_crash(story: Story) -> None:
    """The last words of a container are shown."""
    await story.ship("web:3", fail="crash", crash_after="0.3")
    await story.shown(lambda one: one["attention"] == "failed")
    page = f"/workloads/{NAME}/{story.namespace}/Deployment/{story.name}"
    await story.page("failed")
    async with asyncio.timeout(30):
        while "said this in" not in (await story.board.http.get(page)).text:
            await asyncio.sleep(0.1)


async def rehearses_every_write(story: Story) -> None:
    """Something of each kind that can be changed is changed, as a dry run: that takes the same rights."""
    here, bad = story.namespace, image("web:bad")
    roots = [
        daemon_set("agent", pod_template("agent", "web:1")),
        stateful_set("db", pod_template("db", "web:1"), replicas=1),
        rollout("steps", pod_template("steps", "web:1"), {"canary": {"steps": [{"pause": {}}]}}, replicas=1),
        *(colour("switched", name, tag) for name, tag in (("blue", "web:1"), ("green", "web:2"))),
        switch("switched", "blue"),
        *native_canary("routed", "HTTPRoute/routed"), http_route("routed", 10),
        *native_canary("entered", "Ingress/entered"), ingress("entered", 10),
        *native_canary("beside", ""),
        deployment("flagged", pod_template("flagged", "web:1"), replicas=1), canary("flagged", "http://127.0.0.1:1/"),
    ]  # fmt: skip
    for kind in OWNERS:
        name = f"of-{kind.lower()}"
        made = deployment(name, pod_template(name, "web:1"), replicas=0)
        roots += [owner(kind, name), managed(made, kind, name, here)]
    for root in roots:
        await story.api.create(path(root["kind"], here), root)
    await story.api.until(path("StatefulSet", here, "db"), lambda db: db["status"].get("readyReplicas"))
    await story.api.until(
        path("Rollout", here, "steps"), lambda ro: ro.get("status", {}).get("phase") == "Healthy"
    )
    await story.api.patch(path("StatefulSet", here, "db"), bad, type=STRATEGIC)
    await story.api.patch(path("Rollout", here, "steps"), bad)
    until = datetime.now(UTC) + timedelta(hours=1)
    for verb, kind, name, arguments in (
        (Verb.RESTART, "DaemonSet", "agent", Arguments()),
        (Verb.ROLLBACK, "StatefulSet", "db", Arguments(delete_blocking=True)),
        (Verb.ABORT, "Rollout", "steps", Arguments()),
        (Verb.SWITCH, "Service", "switched", Arguments()),
        (Verb.SET_WEIGHT, "Deployment", "routed", Arguments(weight=0)),
        (Verb.SET_WEIGHT, "Deployment", "entered", Arguments(weight=0)),
        (Verb.ABORT, "Deployment", "beside", Arguments()),
        (Verb.PAUSE, "Canary", "flagged", Arguments()),
        *((Verb.HOLD, "Deployment", f"of-{kind.lower()}", Arguments(until=until)) for kind in OWNERS),
    ):
        ask = Ask(verb, WorkloadRef(NAME, here, kind, name), arguments, reason="a test", key="k")
        await _accepted(story, ask)
    await story.api.delete(path("Canary", here, "flagged"))


async def _accepted(story: Story, ask: Ask) -> None:
    """Rehearse until the cluster would take it, with the deletion that is asked for."""
    seen: Preview | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while True:
                with suppress(NotKnown):
                    seen = found = await story.board.perform.preview(ask, ADA)
                    deletes = any(each.method == "DELETE" for each in found.patches)
                    if found.dry_run == "accepted" and deletes is ask.arguments.delete_blocking:
                        return
                await asyncio.sleep(0.2)
    raise AssertionError(f"{ask.verb} of {ask.ref}: {seen}")


USES: tuple[Callable[[Story], Awaitable[None]], ...] = (
    is_listed_and_watched,
    reads_the_log_of_a_crash,
    rehearses_every_write,
)
"""What uses the rights of the manifests (`account.MANIFESTS`). For one more of them: its name there, its use here."""


async def checked(kubeconfig: Path) -> Report:
    cluster = await Cluster.from_kubeconfig(NAME, kubeconfig)
    try:
        return await check(cluster)
    finally:
        await cluster.close()


async def test_the_shipped_roles_grant_what_is_used_and_what_is_used_is_granted(real, namespace, tmp_path):
    async with account(real, tmp_path) as shipped:
        report = await checked(shipped.kubeconfig)
        assert (report.rules, report.spare_rules) == ("", ""), "the check agrees"
        assert all(finding.well for finding in report.findings)
        async with watching(shipped.kubeconfig, tmp_path) as board:
            story = Story(real.api, board, namespace)
            for use in USES:
                await use(story)
            await story.end()
        assert shipped.used() == granted() | ANYBODY
