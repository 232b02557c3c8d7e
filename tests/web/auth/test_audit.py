"""The audit of the door: whatever is done there is one entry, whoever is refused is one or is counted in one."""

import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.audit import Act, check
from app.domain.errors import StoreUnavailable
from app.domain.people import NOBODY, Principal, PrincipalKind
from app.store import people
from app.store.audit import HEAD, INFO, links, marks
from app.store.db import Database
from app.store.tables import AUDIT
from app.web.auth.audited import MOST, PROMPT, Denials
from app.web.auth.limits import Limits
from tests.databases import fresh
from tests.web.auth.door import LOCAL, PASSWORD, cookie_of, door

pytestmark = pytest.mark.anyio
PLAIN = {"accept": "*/*"}
STEPS = 120


def times(row) -> int:
    """How many refusals an entry stands for."""
    found = re.search(r" (\d+) times since ", row["result"])
    return int(found[1]) if found else 1


class Walk:
    """Somebody who does all sorts of things at the door, and keeps count of what the audit has to have."""

    def __init__(self, here, seed: int) -> None:
        self.here, self.random = here, random.Random(seed)
        self.wanted: Counter[tuple[str, str]] = Counter()
        self.cookies: list[str] = []
        self.admin = ""

    async def step(self) -> None:
        name = self.random.choice([n for n in dir(self) if n.startswith("do_")])
        self.here.keeper.limits = Limits()
        await getattr(self, name)()

    def count(self, verb: str, kind: str = "done") -> None:
        self.wanted[verb, kind] += 1

    async def form(self, path: str, cookie: str, **fields: str):
        fields["csrf"] = await self.here.csrf(cookie)
        return await self.here.ask("POST", path, cookie, data=fields)

    async def do_sign_in(self, user: str = "vera") -> str:
        answer = await self.here.ask("POST", "/login", data={"user": user, "password": PASSWORD})
        assert answer.status_code == 303
        self.count(Act.SIGN_IN)
        if user == "vera":
            self.cookies.append(cookie_of(answer))
        return cookie_of(answer)

    async def do_wrong_password(self) -> None:
        user = self.random.choice(["vera", "nobody", "my passphrase"])
        assert (
            await self.here.ask("POST", "/login", data={"user": user, "password": "x"})
        ).status_code == 401
        self.count(Act.SIGN_IN, "refused")
        async with (
            self.here.keeper.database.writing() as session
        ):  # or the account would be closed for a while
            await people.forgive(session, "", 0)
            await (await session.connection()).execute(people.ATTEMPT.delete())

    async def do_sign_out(self) -> None:
        if self.cookies:
            assert (await self.form("/logout", self.cookies.pop())).status_code == 303
            self.count(Act.SIGN_OUT)

    async def do_end_a_session(self) -> None:
        rows = [
            r for r in await self.here.rows(people.SESSION) if r["subject"] == "vera" and not r["ended_at"]
        ]
        if rows:
            row = self.random.choice(rows)
            path = f"/account/sessions/{row['ident']}/end"
            assert (await self.form(path, self.admin)).status_code == 303
            self.count(Act.END_SESSION)
            from app.web.auth.cookies import digest

            self.cookies = [c for c in self.cookies if digest(c.partition("=")[2]) != row["key"]]

    async def do_make_a_token(self) -> None:
        answer = await self.form("/account/tokens", self.admin, name="t", role="viewer", days="1")
        assert answer.status_code == 200
        self.count(Act.CREATE_TOKEN)

    async def do_make_a_screen(self) -> None:
        answer = await self.form("/account/screens", self.admin, name="lift", view="/", days="1")
        assert answer.status_code == 200
        self.count(Act.CREATE_KIOSK)
        if self.random.random() < 0.5:
            (link,) = re.findall(r">http://[^<]*?(/kiosk/kiosk_[\w-]{43})<", answer.text)
            assert (await self.here.ask("GET", link)).status_code == 303
            self.count(Act.SET_UP_KIOSK)
            assert (await self.here.ask("GET", link)).status_code == 404
            self.count(Act.SET_UP_KIOSK, "refused")

    async def do_revoke(self) -> None:
        rows = [r for r in await self.here.rows(people.TOKEN) if not r["revoked_at"]]
        if rows:
            row = self.random.choice(rows)
            path = f"/account/tokens/{row['ident']}/revoke"
            assert (await self.form(path, self.admin)).status_code == 303
            self.count(Act.REVOKE_KIOSK if row["kind"] == "kiosk" else Act.REVOKE_TOKEN)
            assert (await self.form(path, self.admin)).status_code == 404  # nothing is done twice

    async def do_what_a_viewer_may_not(self) -> None:
        if self.cookies:
            answer = await self.form("/account/screens", self.cookies[-1], name="x", days="1")
            assert answer.status_code == 403
            self.count(Act.ENTER, "refused")

    async def do_come_from_elsewhere(self) -> None:
        headers = {"origin": "https://evil.example"}
        assert (await self.here.ask("POST", "/logout", self.admin, headers=headers)).status_code == 403
        self.count(Act.ENTER, "refused")

    async def do_come_without_the_forms_token(self) -> None:
        assert (await self.here.ask("POST", "/account/tokens", self.admin)).status_code == 403
        self.count(Act.ENTER, "refused")

    async def do_come_as_a_stranger(self) -> None:
        path = self.random.choice(["/", "/sources", "/api/v1/board", "/account", f"/x{self.random.random()}"])
        headers = self.random.choice([PLAIN, {}, {**PLAIN, "authorization": "Bearer shipboard_" + "x" * 43}])
        assert (await self.here.ask("GET", path, headers=headers)).status_code in (401, 303)
        self.count(Act.ENTER, "refused")

    async def do_look(self) -> None:
        assert (await self.here.ask("GET", "/", self.admin)).status_code == 200


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_is_done_or_refused_is_in_the_audit_once(tmp_path, seed):
    """SR-50: entries == operations, and the chain is sound."""
    async with door(tmp_path, LOCAL) as here:
        await here.account("vera")
        await here.account("ada", "admin")
        walk = Walk(here, seed)
        walk.admin = await walk.do_sign_in("ada")
        for _ in range(STEPS):
            await walk.step()
        await here.keeper.end()
        found: Counter[tuple[str, str]] = Counter()
        for row in await here.rows(AUDIT):
            found[row["verb"], row["kind"]] += times(row)
        assert found == walk.wanted
        assert sum(found.values()) > STEPS / 2
        said = repr(await here.rows(AUDIT))
        assert PASSWORD not in said
        assert "passphrase" not in said
        async with here.keeper.database.reading() as connection:
            head = (await marks(connection))[HEAD]
            key = here.keeper.database._sessions.kw["info"][INFO]
            assert check([link async for link in links(connection)], key, head=head).bad is None


@pytest.fixture
async def database(tmp_path):
    opened = await Database.open(fresh(tmp_path), audit_key="k" * 32)
    yield opened
    await opened.close()


async def kept(database) -> list:
    from sqlalchemy import select

    async with database.reading() as connection:
        return list((await connection.execute(select(AUDIT))).mappings())


def request(source: str, path: str = "/api/v1/board") -> dict:
    return {"client": (source, 1), "path": path, "method": "GET", "headers": []}


async def test_a_flood_of_strangers_is_one_entry_a_minute(database):
    """Bounded: whatever number of requests, of sources and of addresses there is."""
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    denials = Denials(lambda: now)
    for n in range(3000):
        await denials.note(database, request("192.0.2.1", f"/api/{n}"), NOBODY, "401 Not signed in.")
    await denials.write(database)
    assert await kept(database) == []  # the minute is not over
    now += timedelta(seconds=61)
    await denials.write(database)
    (row,) = await kept(database)
    assert (row["identity"], row["object"], times(row)) == ("nobody|192.0.2.1", "/api", 3000)
    for n in range(20_000):
        source = f"10.{n % 7}.{n % 250}.{n % 199}"
        await denials.note(database, request(source, f"/{n}/x"), NOBODY, "401 Not signed in.")
    now += timedelta(seconds=61)
    await denials.write(database)
    rows = (await kept(database))[1:]
    assert len(rows) == MOST + 1
    assert sum(times(row) for row in rows) == 20_000


async def test_who_is_known_is_written_down_at_once_and_counted_only_beyond_reason(database):
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    denials, vera = Denials(lambda: now), Principal(PrincipalKind.PERSON, "local", "vera", session="s1")
    for n in range(PROMPT + 500):
        await denials.note(database, request("192.0.2.1", "/account"), vera, "403 Not permitted.")
        assert len(await kept(database)) == min(n + 1, PROMPT) if n < PROMPT + 3 else True
    now += timedelta(seconds=61)
    await denials.write(database)
    *single, folded = await kept(database)
    assert [row["object"] for row in single] == ["GET /account"] * PROMPT
    assert (folded["identity"], times(folded)) == ("local|vera", 500)
    assert {row["session"] for row in single} == {"s1"}


async def test_what_cannot_be_written_now_is_not_lost(database, tmp_path):
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    denials, vera = Denials(lambda: now), Principal(PrincipalKind.PERSON, "local", "vera", session="s1")
    file = tmp_path / "ship.db"
    file.rename(tmp_path / "away.db")
    await denials.note(database, request("192.0.2.1"), vera, "403 Not permitted.")
    with pytest.raises(StoreUnavailable):
        await denials.write(database, at_once=True)
    (tmp_path / "away.db").rename(file)
    await denials.write(database, at_once=True)
    (row,) = await kept(database)
    assert (row["identity"], times(row)) == ("local|vera", 1)


async def test_rights_now_are_those_of_this_moment(tmp_path):
    """SR-12: of sessions, tokens, accounts and roles; whoever asks later gets the truth of then."""
    async with door(tmp_path, LOCAL) as here:
        await here.account("vera", "operator")
        answer = await here.ask("POST", "/login", data={"user": "vera", "password": PASSWORD})
        (row,) = await here.rows(people.SESSION)
        vera = Principal(PrincipalKind.PERSON, "local", "vera", "Vera", session=row["ident"])
        now = here.keeper.rights_now

        async def change(table, values, **equals) -> None:
            async with here.keeper.database.writing() as session:
                assert await people.change(session, table, values, **equals)

        found = await now(vera)
        assert found
        assert found.roles_in("production") == {"viewer", "operator"}
        assert found.signed_in_at == row["signed_in_at"]
        await change(people.ACCOUNT, {"grants": '["operator@staging"]'}, name="vera")
        found = await now(vera)
        assert found
        assert found.roles_in("production") == {"viewer"}
        await change(people.ACCOUNT, {"disabled_at": here.keeper.clock()}, name="vera")
        assert await now(vera) is None
        await change(people.ACCOUNT, {"disabled_at": None}, name="vera")
        assert await now(vera)
        await here.ask(
            "POST", "/logout", cookie_of(answer), data={"csrf": await here.csrf(cookie_of(answer))}
        )
        assert await now(vera) is None

        await here.token(role="operator")
        (row,) = await here.rows(people.TOKEN)
        bearer = Principal(PrincipalKind.TOKEN, "token", row["ident"], session=row["ident"])
        assert await now(bearer)
        here.later(days=91)
        assert await now(bearer) is None
        here.later()
        await change(people.TOKEN, {"revoked_at": here.keeper.clock()}, ident=row["ident"])
        assert await now(bearer) is None
        assert (
            await now(Principal(PrincipalKind.PERSON, "shipboard", "local")) is None
        )  # people are asked here
