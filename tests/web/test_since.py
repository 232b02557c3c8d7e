"""Whoever was away is told what changed since: on the board once, by a cookie, and by the API since any instant."""

from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie

import msgspec
import pytest

from app.domain.rollout import Health, Phase
from tests.web.site import Site, look, now, site, sources

pytestmark = pytest.mark.anyio


async def told(here: Site) -> None:
    """Five minutes ago cart landed 2.0.0; four minutes ago mail began to fail; search landed an hour ago."""
    at = now()
    moving = Phase.PROGRESSING
    story = [
        (90, look("search")),
        (80, look("search", version="2.0.0", phase=moving)),
        (60, look("search", version="2.0.0")),
        (50, look("cart")),
        (50, look("mail", "staging")),
        (8, look("cart", version="2.0.0", phase=moving)),
        (5, look("cart", version="2.0.0")),
    ]
    failing = look("mail", "staging", version="3.0.0", phase=Phase.FAILED, message="<b>It crashes.</b>")
    state = replace(failing.state, health=Health.DEGRADED)
    story.append((4, replace(failing, state=state)))
    for minutes, fact in story:
        await here.ingest([*sources(), replace(fact, seen_at=at - timedelta(minutes=minutes))])
    rows = here.hub.fleet.workloads
    await here.settled(lambda: any(row.state.phase is Phase.FAILED for row in rows.values()))


def cookie(minutes: float, since: int = 0) -> str:
    return f"looked={since}.{int((now() - timedelta(minutes=minutes)).timestamp())}"


def kept(headers: dict[str, str]) -> tuple[int, int]:
    first, second = SimpleCookie(headers["set-cookie"])["looked"].value.split(".")
    return int(first), int(second)


async def test_the_board_tells_whoever_was_away_and_nobody_else(tmp_path):
    async with site(tmp_path) as here:
        await told(here)
        _, headers, body = await here.get("/")
        assert b"opened the board before" not in body
        assert kept(headers)[0] == 0
        assert "HttpOnly" in headers["set-cookie"]
        for quiet in (cookie(5), "looked=x", "looked=9.9.9", "looked=1.99999999999999"):
            _, _, body = await here.get("/", cookie=quiet)
            assert b"opened the board before" not in body, quiet
        _, headers, body = await here.get("/", cookie=cookie(30))
        page = body.decode()
        assert "30 min</time> ago: <b>1 landed, 1 fails since " in page
        assert "&lt;b&gt;It crashes." in page
        assert "Deployment/cart?at=" in page
        assert "Deployment/search?at=" not in page
        first, second = kept(headers)
        assert 29 * 60 < second - first < 31 * 60
        _, _, body = await here.get("/", cookie=f"looked={first}.{second}")
        assert b"opened the board before" in body
        _, _, body = await here.get("/?environment=production", cookie=cookie(30))
        assert b"<b>1 landed</b>" in body


async def test_the_line_is_dismissed(tmp_path):
    async with site(tmp_path) as here:
        await told(here)
        answer = here.client.get(
            "/?looked=1&environment=production", headers={"cookie": cookie(30)}, allow_redirects=False
        )
        async with answer as response:
            assert (response.status, response.headers["location"]) == (303, "/?environment=production")
            value = response.cookies["looked"].value
        _, _, body = await here.get("/", cookie=f"looked={value}")
        assert b"opened the board before" not in body


async def test_the_api_tells_what_changed_since_an_instant(tmp_path):
    async with site(tmp_path) as here:
        await told(here)
        answers = {}
        for asked in (
            "since=-30m",
            "since=-3h",
            "since=-1m",
            "since=-3h&environment=production",
            "since=-3h&q=mail",
        ):
            status, _, body = await here.get(f"/api/v1/changes?{asked}")
            assert status == 200, body
            found = msgspec.json.decode(body)
            ended = [(c["service"], c["kind"]) for c in found["ended"]]
            answers[asked] = ended, [t["service"] for t in found["failing"]]
        assert answers == {
            "since=-30m": ([("cart", "landed")], ["mail"]),
            "since=-3h": ([("cart", "landed"), ("search", "landed")], ["mail"]),
            "since=-1m": ([], []),
            "since=-3h&environment=production": ([("cart", "landed"), ("search", "landed")], []),
            "since=-3h&q=mail": ([], ["mail"]),
        }
        status, _, body = await here.get("/api/v1/changes?since=soon")
        assert status == 400
        assert b"since=soon is no instant" in body
