"""gzip on the wire: taken where it is wanted, whole for bodies, message by message for streams."""

import gzip
import zlib

import aiohttp
import pytest

from app.web.packing import OPENING, Tally, block, packed, takes_gzip
from tests.web.site import Stream, look, site, sources


@pytest.mark.parametrize(
    ("line", "takes"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("gzip;q=0", False),
        ("identity, gzip; q=0.0", False),
        ("br", False),
        ("", False),
    ],
)
def test_gzip_is_taken_by_who_says_so(line, takes):
    assert takes_gzip([line]) is takes


def test_packed_messages_follow_each_other_wherever_somebody_begins():
    messages = [f"id: {n}\ndata: {'row ' * n}\n\n".encode() for n in range(40)]
    blocks = [block(message) for message in messages]
    for first in (0, 17, 39):
        tally = Tally()
        for message in messages[first:]:
            tally.add(message)
        stream = OPENING + b"".join(blocks[first:]) + tally.closing()
        assert gzip.decompress(stream) == b"".join(messages[first:])
    reading = zlib.decompressobj(wbits=31)
    assert reading.decompress(OPENING + blocks[9]) == messages[9], (
        "read as it comes, without waiting for more"
    )
    assert packed(messages[9]) == packed(messages[9])


@pytest.mark.anyio
async def test_packed_stream_says_what_the_plain_one_says_and_ends_well(tmp_path):
    fleet = [look(f"service-{n:03d}") for n in range(40)]
    async with site(tmp_path, [*sources(), *fleet]) as here, here.stream("/") as plain:
        wants = {"accept": "text/event-stream", "accept-encoding": "gzip"}
        async with (
            aiohttp.ClientSession(here.url, auto_decompress=False) as raw,
            raw.get("/", headers=wants) as sent,
        ):
            assert sent.headers["content-encoding"] == "gzip"
            assert "Accept-Encoding" in sent.headers["vary"]
            reading, text = zlib.decompressobj(wbits=31), b""
            while b"\n\n" not in text:
                text += reading.decompress(await sent.content.readany())
            first = await plain.event()
            assert text.startswith(f"id: {first.id}\n".encode())
            assert text.count(b'<tr id="s-') == first.data.count('<tr id="s-') == 40
            await here.ingest([look("service-007", version="9.9.9")])
            while b"9.9.9" not in text:
                text += reading.decompress(await sent.content.readany())
            here.hub.closing.set()
            text += reading.decompress(await sent.content.read())
            assert reading.eof, "the check sum holds"
            assert b"retry: " in text.splitlines()[-2]


@pytest.mark.anyio
async def test_streams_that_unpack_for_themselves_go_on(tmp_path):
    async with site(tmp_path, [*sources(), look("cart")]) as here:
        wants = {"accept": "text/event-stream", "accept-encoding": "gzip"}
        async with here.client.get("/", headers=wants) as response:
            stream = Stream(response)
            await stream.until("cart")
            await here.ingest([look("cart", version="9.9.9")])
            await stream.until("9.9.9")
