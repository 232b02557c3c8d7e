"""The last words of crashed containers: whose are read, how often, and what is kept of them."""

from typing import Any

import pytest

from app.demo.faults import Rule
from app.domain.facts import LogRead
from app.engines.port import Kin
from app.sources.tails import BYTES, LINES, crashed, legible
from tests.demo.client import DEPLOYMENTS, Client, deployment, template
from tests.engines.objects import decode

from .bench import LEAKY, Following, following

ENDED = {"exitCode": 1, "finishedAt": "2026-10-01T12:00:00Z"}
LOOP = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ENDED}}


def pod(name: str, *statuses: dict[str, Any]) -> Any:
    named = [{"name": "web", "restartCount": 3, **status} for status in statuses]
    meta = {"name": name, "namespace": "shop", "uid": name}
    return decode({"kind": "Pod", "metadata": meta, "status": {"containerStatuses": named}})


@pytest.mark.parametrize(
    ("status", "previous"),
    [
        (LOOP, [True]),
        ({"state": {"terminated": ENDED}}, [False]),
        ({"state": {"terminated": {"exitCode": 0}}}, []),
        ({"state": {"running": {}}, "lastState": {"terminated": ENDED}}, []),
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, []),
        ({}, []),
    ],
    ids=["loop", "error", "done", "runs", "image", "nothing"],
)
def test_only_what_crashed_is_read_and_of_the_run_that_did(
    status: dict[str, Any], previous: list[bool]
) -> None:
    assert [wish.previous for wish in crashed(Kin(pods=(pod("a", status),)))] == previous


def test_of_many_pods_the_one_that_crashed_last_is_read() -> None:
    later = {"state": {"terminated": {**ENDED, "finishedAt": "2026-10-01T12:00:09Z"}}}
    (wish,) = crashed(Kin(pods=(pod("a", LOOP), pod("b", later), pod("c", LOOP))))
    assert (wish.pod, wish.namespace, wish.restarts) == ("b", "shop", 3)


def test_log_is_plain_lines_from_its_end() -> None:
    assert legible(b"\x1b[31mFATAL\x1b[0m no\x00 \xff\n\n") == "FATAL no  \ufffd"
    assert legible(b"".join(b"%d\n" % n for n in range(99))).split("\n") == [str(n) for n in range(79, 99)]
    long = legible(b"\n".join([b"x" * 450] * LINES) + b"\nlast")
    assert len(long) <= BYTES
    assert long.endswith("\nlast")


async def crash(f: Following) -> None:
    async with Client(f.server.url, f.server.token) as client:
        made = deployment(replicas=1, pod=template(fail="crash", crash_after="0.05"))
        await client.call("POST", DEPLOYMENTS, made)


@LEAKY
@pytest.mark.anyio
async def test_collector_reads_the_log_of_a_crash_once_for_each_restart() -> None:
    async with following(fill=1) as f:
        await f.settled()
        await crash(f)
        await f.heard.until(lambda: f.heard.of(LogRead), within=15)
        told = f.heard.of(LogRead)[0]
        shown = f.heard.named("web")
        assert shown is not None
        assert (told.workload, told.container) == (shown.key, "web")
        assert "INFO starting" in told.text
        await f.heard.until(lambda: f.heard.named("web").state.pods[0].reason == "CrashLoopBackOff")  # type: ignore[union-attr]
        await f.heard.until(lambda: len(f.heard.of(LogRead)) == 2)
        f.collector.cache.touch()  # it waits for its third run: as it ended and as it waits are the same end
        heard = len(f.heard.facts)
        await f.heard.until(lambda: len(f.heard.facts) > heard + 2 * len(f.heard.sources))
        assert len(f.heard.of(LogRead)) == 2


@LEAKY
@pytest.mark.anyio
async def test_logs_that_may_not_be_read_are_no_trouble() -> None:
    async with following(fill=1, faults={"forbid": [Rule(resource="pods", verb="get")]}) as f:
        await f.settled()
        await crash(f)

        def crashes() -> bool:
            shown = f.heard.named("web")
            return shown is not None and any(p.category == "crash" for p in shown.state.problems)

        await f.heard.until(crashes, within=15)
        await f.heard.until(lambda: f.collector.logs_denied == {"default"})
        assert f.heard.all_live()
        assert not f.heard.of(LogRead)
