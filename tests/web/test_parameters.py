"""What is put into parameters of lists and pages is data: no SQL, and no pattern either (SR-44)."""

from urllib.parse import quote

import msgspec
import pytest

from app.domain.audit import Entry
from app.domain.facts import Fact
from app.store.audit import append
from tests.web.site import look, now, site, sources

pytestmark = pytest.mark.anyio
SERVICES = ("cart", "mail", "search")
NOTHING = "zz-nothing-is-called-so"
WORDS = (
    *("%", "_", "%%", "c%", "c__t", "*", "[a-z]", "\\", "\\%", "'", "''", '"', "' OR 1=1 --", "' OR ''='"),
    *("1; DROP TABLE audit", ") UNION SELECT 1,2,3 --", "$1", ":name", "?", "%s", "%(x)s", "\x00"),
    *("1e999", "0x1", "NULL", "b" * 250),
)  # fmt: skip
PAGES = (
    ("/", ("q", "service", "environment", "cluster", "team")),
    ("/audit", ("who", "verb", "workload", "result")),
)


def items_of(body: bytes) -> list[object]:
    """The items of an answer; none in a problem."""
    found: list[object] = msgspec.json.decode(body).get("items", [])
    return found


async def lists(here):
    """Every operation that answers a list, with the parameters it takes."""
    _, _, body = await here.get("/api/v1/openapi.json")
    for path, operations in msgspec.json.decode(body)["paths"].items():
        taken = [p["name"] for p in operations.get("get", {}).get("parameters", ()) if p["in"] == "query"]
        if taken and "{" not in path:
            yield path, taken


async def test_no_parameter_of_a_list_is_sql_or_a_pattern(tmp_path):
    facts: list[Fact] = [
        *sources(),
        *(look(name, where) for name in SERVICES for where in ("staging", "production")),
    ]
    async with site(tmp_path, facts) as here:
        async with here.database.writing() as session:
            await append(
                session, Entry(now(), "done", "local|ada", "Ada", object="east/shop/Deployment/cart")
            )
        asked, found = 0, [item async for item in lists(here)]
        assert {"/api/v1/workloads", "/api/v1/rollouts", "/api/v1/audit"} <= {path for path, _ in found}
        for path, taken in found:
            for name in taken:
                status, _, body = await here.get(f"{path}?{name}={NOTHING}")
                none = items_of(body)
                for word in WORDS if status == 200 else WORDS[:3]:  # the others take no words at all
                    asked += 1
                    status, _, body = await here.get(f"{path}?{name}={quote(word)}")
                    where = (path, name, word, body[:300])
                    assert status in (200, 400, 404, 422), where  # 404: no service of that name
                    assert status != 200 or items_of(body) == none, where
        assert asked > 10 * len(WORDS)


@pytest.mark.parametrize(("path", "names"), PAGES)
async def test_no_parameter_of_a_page_is_sql_or_a_pattern(tmp_path, path, names):
    async with site(tmp_path, [*sources(), *(look(name) for name in SERVICES)]) as here:
        for name in names:
            for word in WORDS:
                status, _, body = await here.get(f"{path}?{name}={quote(word)}")
                assert status in (200, 400, 422), (path, name, word)
                if status == 200 and name == "q":
                    assert b'id="s-cart"' not in body, word
