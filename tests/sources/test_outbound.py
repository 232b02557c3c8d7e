"""Outgoing requests go where the operator said, to addresses that may be asked, and the credential with them alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from aiohttp import web

from app.domain.refusals import Absent, Broken, ClusterError, Denied, Misconfigured, Throttled, Unauthorized
from app.sources.outbound import Outbound, permitted

pytestmark = pytest.mark.anyio
PUBLIC = [
    "93.184.215.14",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "::ffff:93.184.215.14",
    "2002:5db8:d70e::1",
]
PRIVATE = [
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
]
NEVER = [
    *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fe80::1"),
    *("0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_asked(address) -> None:
    assert permitted(ip_address(address), private=False)


@pytest.mark.parametrize("address", [*PRIVATE, "64:ff9b::a00:1", "2002:a00:1::1"])
def test_private_addresses_may_be_asked_where_the_operator_says_so(address) -> None:
    assert not permitted(ip_address(address), private=False)
    assert permitted(ip_address(address), private=True)


@pytest.mark.parametrize("address", NEVER)
def test_addresses_of_credentials_and_of_nobody_are_never_asked(address) -> None:
    assert not permitted(ip_address(address), private=True)


class Sink:
    """A server that remembers what it was asked, and answers as told."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        name = request.path.rpartition("/")[2]
        if name == "elsewhere":
            raise web.HTTPFound("http://169.254.169.254/latest/meta-data")
        if name == "slow-down":
            return web.json_response({}, status=429, headers={"retry-after": "17"})
        if name == "large":
            return web.Response(body=b'"' + b"x" * (9 << 20) + b'"')
        if name == "page":
            return web.Response(text="<html>secret</html>")
        return web.json_response({"ok": True}, status=int(name) if name.isdigit() else 200)


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    found = Sink()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(base: str, private: bool = True) -> AsyncIterator[Outbound]:
    api = Outbound(base, {"authorization": "Bearer t0ken"}, private)
    try:
        yield api
    finally:
        await api.close()


async def test_answer_comes_from_below_the_base_with_its_own_host_and_the_credential():
    async with sink() as there, client(f"{there.url}/api/v4") as api:
        answer = await api.get("projects/x")
        assert (answer.status, answer.body) == (200, {"ok": True})
        (request,) = there.asked
        assert request.path == "/api/v4/projects/x"
        assert request.headers["authorization"] == "Bearer t0ken"
        assert there.url.endswith(request.headers["host"])


async def test_other_origin_is_not_asked_even_when_a_page_names_it():
    async with sink() as there, sink() as other, client(there.url) as api:
        for address in (f"{other.url}/next", there.url.replace("http", "https") + "/", "//169.254.169.254/x"):
            with pytest.raises(Misconfigured):
                await api.get(address)
        assert not other.asked
        assert not there.asked


async def test_private_address_is_not_asked_unless_the_operator_says_so():
    async with sink() as there, client(there.url, private=False) as api:
        with pytest.raises(Misconfigured, match="not public"):
            await api.get("x")
        assert not there.asked


async def test_redirect_is_not_followed():
    async with sink() as there, client(there.url) as api:
        with pytest.raises(ClusterError, match="302"):
            await api.get("elsewhere")


@pytest.mark.parametrize(
    ("path", "error"),
    [("401", Unauthorized), ("403", Denied), ("404", Absent), ("large", Broken), ("page", Broken)],
)
async def test_what_goes_wrong_has_its_name_and_never_quotes_the_answer(path, error):
    async with sink() as there, client(there.url) as api:
        with pytest.raises(error) as refused:
            await api.get(path)
        assert "secret" not in str(refused.value)


async def test_wait_that_was_asked_for_is_told():
    async with sink() as there, client(there.url) as api:
        with pytest.raises(Throttled) as refused:
            await api.get("slow-down")
        assert refused.value.retry_after == 17
