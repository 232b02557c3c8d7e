"""Streams over a real socket: what changed, to everyone, and no more than that."""

import asyncio
import re
import socket

import pytest
from sqlalchemy import text

from app.domain.facts import WorkloadObserved
from app.domain.names import Topic
from tests.web.site import Site, Stream, gone, look, site, sources

pytestmark = pytest.mark.anyio
FLEET = [look(f"svc-{i}", e) for i in range(6) for e in ("staging", "production")]


def targets(data: str) -> list[str]:
    return re.findall(r'hx-target="#([^"]+)"', data)


async def test_stream_starts_with_every_region_of_the_page(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream("/") as stream:
        first = await stream.event()
        assert targets(first.data) == [
            "sentence",
            "day",
            "waiting",
            "environments",
            "columns",
            "rows",
            "foot",
        ]
        assert first.id == f"{here.hub.epoch}.0"
        _, _, page = await here.get("/")
        for region in re.findall(r'hx-swap="outerMorph">(.*?)</hx-partial>', first.data, re.DOTALL):
            assert region in page.decode()


async def test_stream_sends_the_changed_row_and_no_other(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream("/") as stream:
        await stream.event()
        await here.ingest([look("svc-3", version="9.9.9")])
        change = await stream.event()
        rows = [t for t in targets(change.data) if t.startswith("s-")]
        assert rows == ["s-svc-3"]
        assert "9.9.9" in change.data
        assert "rows" not in targets(change.data)


async def test_stream_adds_and_deletes_rows(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream("/") as stream:
        await stream.event()
        new = look("new-one")
        await here.ingest([new])
        added = await stream.until("new-one")
        assert '<hx-partial hx-target="#rows" hx-swap="beforeend"><tr id="s-new-one"' in added
        await here.ingest([gone(new)])
        removed = await stream.until('hx-swap="delete"')
        assert '<hx-partial hx-target="#s-new-one" hx-swap="delete"></hx-partial>' in removed


async def test_a_new_environment_brings_its_column_and_its_filter(tmp_path):
    async with site(tmp_path, [*sources(), look("svc-1", "staging")]) as here, here.stream("/") as stream:
        first = await stream.event()
        assert "?environment=" not in first.data
        await here.ingest([look("svc-1", "production")])
        change = await stream.until("?environment=production")
        assert {"environments", "columns", "rows"} <= set(targets(change))


async def test_stream_sends_all_watchers_of_a_view_identical_bytes(tmp_path):
    async with (
        site(tmp_path, [*sources(), *FLEET]) as here,
        here.stream("/?team=team-2&q=svc") as one,
        here.stream("/?q=+svc&unknown=1&team=team-2") as two,
    ):
        assert await one.event() == await two.event()
        assert here.hub.views == 1
        await here.ingest([look("svc-3", version="9.9.9")])
        assert await one.event() == await two.event()
        assert one.lines == two.lines


async def test_stream_of_a_filtered_view_tells_only_of_what_it_shows(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream("/?q=svc-1") as stream:
        first = await stream.event()
        assert "s-svc-1" in first.data
        assert "s-svc-2" not in first.data
        await here.ingest([look("svc-2", version="8.8.8"), look("svc-1", version="9.9.9")])
        change = await stream.until("9.9.9")
        assert "8.8.8" not in change


async def test_reconnect_equals_reload(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        for version in ("2", "3", "4"):
            async with here.stream("/") as stream:
                await here.ingest([look("svc-0", version=f"v{version}.")])
                await stream.until(f"v{version}.")
            async with here.stream("/") as stream:
                snapshot = (await stream.event()).data
            async with here.stream("/") as stream:
                assert (await stream.event()).data == snapshot
            _, _, page = await here.get("/")
            rows = re.findall(r'<tbody id="rows">.*?</tbody>', snapshot, re.DOTALL)
            assert len(rows) == 1
            assert rows[0] in page.decode()


async def test_heartbeat_carries_the_foot_and_stops_when_the_projection_does(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET], heartbeat=0.1) as here, here.stream("/") as stream:
        await stream.event()
        for _ in range(3):
            assert "foot" in targets((await stream.event()).data)
        assert here.hub.beat_age() < 5
        async with here.database.writing() as session:
            await (await session.connection()).execute(text("ALTER TABLE workload RENAME TO away"))
        here.live.publish([Topic("workload", "east:svc-1-production")])
        await here.settled(lambda: here.hub.beat_age() > 1)
        async with here.database.writing() as session:
            await (await session.connection()).execute(text("ALTER TABLE away RENAME TO workload"))
        await here.settled(lambda: here.hub.beat_age() < 0.5)
        await stream.until('hx-target="#foot"')


async def never_reading(here: Site) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that asked for the board's stream and reads no more than its small buffers take by
    themselves."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", here.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
    return reader, writer


async def test_slow_reader_is_skipped_ahead_and_the_others_are_not_held_up(tmp_path):
    def fleet(version: str) -> list[WorkloadObserved]:
        return [look(f"svc-{i}", version=version, message=version * 100) for i in range(300)]

    async with site(tmp_path, [*sources(), *fleet("v0.")]) as here, here.stream("/") as quick:
        reader, writer = await never_reading(here)
        await here.settled(lambda: here.hub.streams == 2)
        await quick.event()
        for number in range(1, 9):
            await here.ingest(fleet(f"v{number}."))
            await quick.until(f"v{number}.")
        seen = b""
        async with asyncio.timeout(20):
            while b"v8." not in seen[-100_000:]:
                seen += await reader.read(1 << 20)
        writer.close()
        assert len(set(re.findall(rb'title="v(\d+)\.v', seen))) < 7


async def test_reader_that_never_reads_is_dropped(tmp_path):
    fleet = [look(f"svc-{i}", message="x" * 400) for i in range(300)]
    async with site(tmp_path, [*sources(), *fleet], heartbeat=0.1, write_limit=0.3) as here:
        _, writer = await never_reading(here)
        await here.settled(lambda: here.hub.streams == 1)
        await here.settled(lambda: here.hub.streams == 0)
        writer.transport.abort()


async def test_stream_that_its_client_leaves_is_counted_out(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        async with here.stream("/") as stream:
            await stream.event()
            assert here.hub.streams == 1
            stream.response.close()
        await here.settled(lambda: here.hub.streams == 0)


async def test_streams_say_farewell_with_a_jittered_retry_when_the_hub_closes(tmp_path):
    async with (
        site(tmp_path, [*sources(), *FLEET]) as here,
        here.stream("/") as one,
        here.stream("/sources") as two,
    ):
        await one.event()
        await two.event()
        here.hub.closing.set()
        assert await _end(one) != await _end(two)
        assert 500 <= one.retry <= 5000
        status, headers, _ = await here.get("/", accept="text/event-stream")
        assert (status, headers["retry-after"]) == (503, "5")


async def _end(stream: Stream) -> int:
    while await stream.last():
        pass
    return stream.retry


async def test_streams_beyond_the_limit_are_refused_with_a_time_to_come_back(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET], max_streams=1) as here, here.stream("/") as stream:
        await stream.event()
        status, headers, body = await here.get("/", accept="text/event-stream")
        assert (status, headers["retry-after"]) == (503, "5")
        assert b"Too many watchers" in body
        assert (await here.get("/"))[0] == 200


async def test_stream_opened_while_starting_begins_when_the_fleet_is_there(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET], running=False) as here, here.stream("/") as stream:
        loop = asyncio.create_task(here.hub.run())
        assert "s-svc-1" in (await stream.event()).data
        loop.cancel()


async def test_views_nobody_watches_are_let_go(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET], max_views=3) as here, here.stream("/") as one:
        await one.event()
        for number in range(6):
            assert (await here.get(f"/?q=none-{number}"))[0] == 200
        assert here.hub.views == 3
        async with here.stream("/?q=a") as two, here.stream("/?q=b") as three:
            await two.event()
            await three.event()
            status, headers, _ = await here.get("/?q=c")
            assert (status, headers["retry-after"]) == (503, "5")
        await here.ingest([look("svc-3", version="9.9.9")])
        assert await one.until("9.9.9")
