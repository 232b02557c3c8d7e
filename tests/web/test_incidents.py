"""A deployment is marked as failed by hand, changed and taken back: by who may, in the audit, and in DORA's figures."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from app.domain.rollout import Phase
from app.ingest import Ingest
from app.live import Live
from app.store.db import Database
from app.store.tables import AUDIT
from tests.databases import fresh
from tests.web.auth.door import door
from tests.web.site import look, sources

pytestmark = pytest.mark.anyio


@pytest.fixture
async def board(tmp_path):
    database = await Database.open(fresh(tmp_path))
    ingest = Ingest(database, Live())
    await ingest([*sources(), look("cart", "production", "1"), look("mail", "production", "1")])
    await ingest([look("cart", "production", "2", Phase.PROGRESSING)])
    await ingest([look("cart", "production", "2")])
    await database.close()
    async with door(tmp_path) as here:
        yield here


async def deployment(board, cookie: str) -> str:
    rows = (await board.ask("GET", "/api/v1/timeline", cookie, headers={"accept": "*/*"})).json()["rows"]
    return str(next(row["id"] for row in rows if row["version"] == "2"))


async def failures(board, cookie: str) -> int:
    until = (datetime.now(UTC) + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    path = f"/api/v1/dora/rows?environment=production&until={quote(until)}"
    rows = (await board.ask("GET", path, cookie, headers={"accept": "*/*"})).json()["items"]
    return sum(row["judged"] == "failed" for row in rows)


async def incidents(board, cookie: str, **params: str) -> dict[str, Any]:
    answer = await board.ask("GET", "/api/v1/incidents", cookie, headers={"accept": "*/*"}, params=params)
    found: dict[str, Any] = answer.json()
    return found


async def test_deployment_is_marked_changed_and_taken_back_by_hand(board):
    admin, viewer = await board.be("admin"), await board.be("viewer")
    ident = await deployment(board, admin)
    path = f"/timeline/{ident}/incident"
    assert f'href="{path}"' in (await board.ask("GET", "/timeline", viewer)).text
    assert "This takes the role operator in production" in (await board.ask("GET", path, viewer)).text
    shown = await board.ask("GET", path, admin)
    assert "Mark cart 2 as failed?" in shown.text
    now = datetime.now(UTC)
    fields = {
        "csrf": await board.csrf(admin),
        "title": "<b>Errors",
        "started": f"{now:%Y-%m-%dT%H:%M}",
        "resolved": "",
    }
    for wrong, why in (
        ({"title": " "}, "Say what was wrong"),
        ({"started": "soon"}, "is no time"),
        ({"started": "2020-01-01T00:00"}, "before this deployment did"),
        ({"started": "0001-01-01T00:00"}, "is no time"),
        ({"resolved": "2020-01-01T00:00"}, "before it began"),
        ({"withdraw": "another", "why": "x"}, "not of this deployment"),
    ):
        refused = await board.ask("POST", path, admin, data=fields | wrong)
        assert refused.status_code == 422, wrong
        assert why in refused.text
    stolen = await board.ask("POST", path, viewer, data=fields | {"csrf": await board.csrf(viewer)})
    assert stolen.status_code == 403
    assert await failures(board, admin) == 0
    assert (await board.ask("POST", path, admin, data=fields)).status_code == 303
    assert await failures(board, admin) == 1
    assert "&lt;b&gt;Errors" in (await board.ask("GET", path, viewer)).text
    (told,) = (await incidents(board, viewer, service="cart"))["items"]
    assert (told["deployment"], told["resolved_at"]) == (ident, None)
    over = fields | {"resolved": fields["started"], "title": "Errors"}
    assert (await board.ask("POST", path, admin, data=over)).status_code == 303
    (told,) = (await incidents(board, viewer))["items"]
    assert (told["title"], bool(told["resolved_at"])) == ("Errors", True)
    back = {"csrf": fields["csrf"], "withdraw": told["id"], "why": "It was the load balancer"}
    assert (await board.ask("POST", path, admin, data=back | {"why": ""})).status_code == 422
    assert (await board.ask("POST", path, admin, data=back)).status_code == 303
    assert await failures(board, admin) == 0
    assert (await incidents(board, viewer))["items"] == []
    kept = [row for row in await board.rows(AUDIT) if row["verb"].endswith("-incident")]
    assert [(row["kind"], row["identity"]) for row in kept] == [
        ("marked", "demo|admin"),
        ("marked", "demo|admin"),
        ("withdrawn", "demo|admin"),
    ]
    assert kept[1]["before"].endswith(ident) and kept[2]["reason"] == "It was the load balancer"  # noqa: PT018
    assert (await board.ask("GET", "/timeline/none/incident", admin)).status_code == 404


async def test_api_lists_pages_of_incidents_and_withdraws_within_rights(board):
    token = await board.token(role="operator", environments=("staging",))
    headers = {"authorization": f"Bearer {token}", "accept": "*/*"}
    body = {"service": "cart", "environment": "staging", "title": "x"}
    for number in range(5):
        at = f"2026-11-25T0{number // 2}:00:00Z"  # two at one time
        made = await board.ask(
            "POST", "/api/v1/incidents", headers=headers, json=body | {"id": f"i{number}", "started_at": at}
        )
        assert made.status_code == 201, made.text
    there = {"environment": "production", "id": "i0", "started_at": "2026-11-25T00:00:00Z"}
    assert (
        await board.ask("POST", "/api/v1/incidents", headers=headers, json=body | there)
    ).status_code == 403
    found, cursor = [], ""
    while True:
        answer = await board.ask("GET", f"/api/v1/incidents?limit=2&cursor={cursor}", headers=headers)
        found += [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
        if not cursor:
            break
    assert found == ["i4", "i3", "i2", "i1", "i0"]
    span = "since=2026-11-25T01:00:00Z&until=2026-11-25T02:00:00Z"
    some = (await board.ask("GET", f"/api/v1/incidents?{span}", headers=headers)).json()["items"]
    assert [item["id"] for item in some] == ["i3", "i2"]
    assert (await board.ask("GET", "/api/v1/incidents?cursor=x", headers=headers)).status_code == 400
    for status in (204, 404):
        gone = await board.ask("DELETE", "/api/v1/incidents/i4?reason=none", headers=headers)
        assert gone.status_code == status
