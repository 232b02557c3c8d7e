"""Freezes by hand on the page of gates and over the API: begun, ended and exempted from by an admin, on the record."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.delivery import Delivery, Rules
from app.domain.freezes import Freeze, Window
from app.domain.people import Role
from app.store.tables import AUDIT
from tests.web.auth.door import DEMO, PRODUCTION, STAGING, Door, door, persona

pytestmark = pytest.mark.anyio
CHIEF = persona("chief", (Role.ADMIN, STAGING))
AUTH = replace(DEMO, personas=(*DEMO.personas, CHIEF))
DAY = timedelta(days=1)


def weekly() -> Freeze:
    """One that begins in two days."""
    begins = datetime.now(UTC) + 2 * DAY
    text = f"{begins:%a} 15:00 - {begins + DAY:%a} 08:00"
    return Freeze("settings-weekend", "Weekend", PRODUCTION, window=Window.parse(text, "Europe/Berlin"))


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Door]:
    rules = {name: Rules(name) for name in (STAGING, PRODUCTION)}
    async with door(tmp_path, AUTH, delivery=Delivery(rules=rules, freezes=(weekly(),))) as board:
        yield board


async def sent(board: Door, who: str, path: str, **data: str) -> int:
    cookie = await board.be(who)
    answer = await board.ask("POST", path, cookie, data={"csrf": await board.csrf(cookie), **data})
    return answer.status_code


async def listed(board: Door, count: int, exempt: int = 0) -> list[dict]:
    """The freezes that are shown, once there are as many, with as many exemptions."""
    cookie = await board.be("viewer")
    async with asyncio.timeout(20):
        while True:
            answer = await board.http.get("/api/v1/freezes", headers={"cookie": cookie})
            items: list[dict] = answer.json()["items"]
            if len(items) == count and sum(len(each["exempt"]) for each in items) == exempt:
                return items
            await asyncio.sleep(0.02)


async def test_freeze_is_begun_exempted_from_seen_everywhere_and_ended(here):
    (weekend,) = await listed(here, 1)
    assert (weekend["holds"], weekend["by"]) == (False, "")
    begun = {"environment": PRODUCTION, "service": "pay*", "zone": "Asia/Tokyo", "reason": "Incident <4711>"}
    until = (datetime.now(UTC) + DAY + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M")
    assert await sent(here, "admin", "/freezes", **begun, until=until) == 303
    first, second = await listed(here, 2)
    assert (first["holds"], first["by"], second["id"]) == (True, "Admin", "settings-weekend")
    ends = datetime.fromisoformat(first["ends"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=50) < ends < timedelta(hours=24, minutes=1)
    cookie = await here.be("viewer")
    for path in ("/", "/gates"):
        page = (await here.ask("GET", path, cookie)).text
        assert "pay* in production is frozen" in page
        assert "Incident &lt;4711&gt;" in page
        assert "/freezes/end" not in page
    own = (await here.ask("GET", "/gates", await here.be("admin"))).text
    assert (
        f'<option value="{first["id"]}">' in own.partition("/freezes/end")[2].partition("/freezes/exempt")[0]
    )
    assert "every week" in own
    assert (
        await sent(here, "admin", "/freezes/exempt", freeze=first["id"], service="payroll", reason="fix")
        == 303
    )
    assert (await listed(here, 2, exempt=1))[0]["exempt"] == ["payroll"]
    assert await sent(here, "admin", "/freezes/end", freeze=first["id"], reason="over") == 303
    await listed(here, 1)
    about = {"freeze": "settings-weekend", "reason": "the fix"}
    assert await sent(here, "admin", "/freezes/end", **about) == 404
    assert await sent(here, "admin", "/freezes/exempt", **about, service="cart") == 303
    assert (await listed(here, 1, exempt=1))[0]["exempt"] == ["cart"]
    said = [(row["kind"], row["reason"]) for row in await here.rows(AUDIT) if row["kind"] != "done"]
    assert [each for each in said if each[0] in ("frozen", "exempted", "lifted")] == [
        ("frozen", "Incident <4711>"),
        ("exempted", "fix"),
        ("lifted", "over"),
        ("exempted", "the fix"),
    ]


REFUSED: tuple[tuple[str, dict[str, str], int], ...] = (
    ("approver", {}, 403),
    ("chief", {}, 403),
    ("chief", {"environment": "*"}, 403),
    ("chief", {"environment": "stag*"}, 403),
    ("admin", {"reason": " "}, 422),
    ("admin", {"until": "2020-01-01T00:00"}, 422),
    ("admin", {"since": "2999-01-02T00:00", "until": "2999-01-01T00:00"}, 422),
    ("admin", {"zone": "Mars/Olympus", "until": "2999-01-01T00:00"}, 422),
    ("admin", {"environment": "a b"}, 422),
)


async def test_freeze_takes_an_admin_of_the_place_a_reason_and_a_time_to_come(here):
    asked = {"environment": PRODUCTION, "service": "*", "reason": "why"}
    for who, change, status in REFUSED:
        assert await sent(here, who, "/freezes", **{**asked, **change}) == status, (who, change)
    assert len(await listed(here, 1)) == 1
    assert await sent(here, "chief", "/freezes", **{**asked, "environment": STAGING}) == 303
    await listed(here, 2)


async def test_program_lists_exempts_and_is_told_what_is_wrong(here):
    cookie = await here.be("admin")
    headers = {"cookie": cookie, "x-csrf-token": await here.csrf(cookie), "origin": here.url}
    asked = {"environment": PRODUCTION, "reason": "later", "since": "2999-01-01T00:00:00Z"}
    made = await here.http.post("/api/v1/freezes", json=asked, headers=headers)
    assert (made.status_code, made.json()["since"][:4]) == (201, "2999")
    exempt = f"/api/v1/freezes/{made.json()['id']}/exemptions"
    body = {"service": "cart", "reason": "x"}
    assert (await here.http.post(exempt, json=body, headers=headers)).status_code == 204
    assert [each["begins"][:4] for each in await listed(here, 2, exempt=1)][-1] == "2999"
    gone = await here.http.post("/api/v1/freezes/none/exemptions", json=body, headers=headers)
    assert gone.status_code == 404
    backwards = asked | {"until": "2998-01-01T00:00:00Z"}
    assert (await here.http.post("/api/v1/freezes", json=backwards, headers=headers)).status_code == 422
