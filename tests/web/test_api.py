"""The JSON API: the read models, whole and in pages, with tags that change exactly when the answer does."""

import asyncio
import json

import jsonschema_rs
import pytest

from app.domain.reports import Finding, Image, Reported, ReportSubject, ScanReport, Severity, Upload
from app.domain.rollout import Phase, Pod, PodCondition, Problem
from app.web.api import cursors
from tests.ci import made, pushed, ran, sha_of
from tests.web.site import Site, gone, look, now, site, sources

pytestmark = pytest.mark.anyio
FLEET = [look(f"svc-{i}", e) for i in range(4) for e in ("staging", "production")]
RESOURCES = (
    "/api/v1/board",
    "/api/v1/workloads",
    "/api/v1/workloads/east/staging/Deployment/svc-1",
    "/api/v1/rollouts",
    "/api/v1/sources",
)


DIGEST = "sha256:" + "a" * 64
SCAN = Reported(
    Upload(
        ReportSubject("github.com/acme/cart", digest=DIGEST), "trivy", "0" * 64, 9, "issuer|ci", "", now()
    ),
    ScanReport("Trivy", "0.60", (Finding("CVE-2026-1", Severity.HIGH),), image=Image(DIGEST)),
)
UNSTREAMED = (
    "/api/v1/inbox",
    "/api/v1/reports",
    f"/api/v1/reports/{SCAN.upload.id}",
    f"/api/v1/artifacts/{DIGEST}",
    f"/api/v1/artifacts/{DIGEST}/packages",
    f"/api/v1/reports/{SCAN.upload.id}/packages",
    "/api/v1/artifacts",
)


async def ask(here: Site, path: str):
    status, _, body = await here.get(path)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize("path", RESOURCES)
async def test_resource_has_a_tag_that_holds_until_the_answer_changes(tmp_path, path):
    async with site(tmp_path, [*sources(), *FLEET], heartbeat=0.05) as here:
        _, headers, body = await here.get(path)
        tag = headers["etag"]
        for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            status, again, empty = await here.get(path, if_none_match=condition)
            assert (status, again["etag"], empty) == (304, tag, b"")
        assert (await here.get(path, if_none_match='"other"'))[0] == 200
        await here.ingest([look("svc-1", "staging", "7.7.7", Phase.PROGRESSING), *sources("west")])
        async with asyncio.timeout(5):
            while (changed := await here.get(path, if_none_match=tag))[0] == 304:
                pass
        assert changed[1]["etag"] != tag
        assert changed[2] != body


async def test_board_tells_rows_and_filters_them(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        board = await ask(here, "/api/v1/board")
        assert [row["service"] for row in board["rows"]] == ["svc-0", "svc-1", "svc-2", "svc-3"]
        assert [c["name"] for c in board["environments"]] == ["staging", "production"]
        one = await ask(here, "/api/v1/board?q=svc-2&environment=production&unknown=1")
        assert [row["service"] for row in one["rows"]] == ["svc-2"]
        assert (await here.get("/api/v1/board?attention=angry"))[0] == 422


async def test_workloads_are_filtered_by_what_they_are(tmp_path):
    fleet = [*FLEET, look("cart", "staging", phase=Phase.PROGRESSING, cluster="west")]
    async with site(tmp_path, [*sources(), *sources("west"), *fleet]) as here:

        async def names(query: str) -> set[str]:
            items = (await ask(here, f"/api/v1/workloads?{query}"))["items"]
            return {f"{i['ref']['cluster']}/{i['ref']['namespace']}/{i['ref']['name']}" for i in items}

        assert len(await names("")) == 9
        assert await names("service=svc-1") == {"east/staging/svc-1", "east/production/svc-1"}
        assert await names("service=svc-1&service=cart&environment=staging") == {
            "east/staging/svc-1",
            "west/staging/cart",
        }
        assert await names("cluster=west") == await names("attention=moving") == {"west/staging/cart"}
        assert await names("phase=progressing&namespace=staging&kind=Deployment") == {"west/staging/cart"}
        assert await names("q=CART+west") == {"west/staging/cart"}
        assert await names("kind=Rollout") == set()


async def test_workload_nobody_can_see_is_unknown_whatever_it_was(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET, look("far", cluster="unheard")]) as here:
        item = (await ask(here, "/api/v1/workloads?service=far"))["items"][0]
        assert (item["attention"], item["freshness"], item["phase"]) == ("unknown", "unknown", "idle")
        assert (await ask(here, "/api/v1/workloads?attention=unknown"))["items"] == [item]


async def test_workload_in_full_has_pods_and_problems(tmp_path):
    pods = (Pod("cart-1", "1.0.0", True, PodCondition.FAILING, "ErrImagePull"),)
    bad = look("cart", phase=Phase.FAILED, pods=pods, problems=(Problem("image", "ErrImagePull", "none", 1),))
    async with site(tmp_path, [*sources(), bad]) as here:
        found = await ask(here, "/api/v1/workloads/east/production/Deployment/cart")
        assert found["pods"][0]["reason"] == found["problems"][0]["reason"] == "ErrImagePull"
        assert found["revisions"][0]["version"] == found["workload"]["version"] == "1.0.0"
        status, headers, body = await here.get("/api/v1/workloads/east/production/Deployment/none")
        assert (status, headers["content-type"]) == (404, "application/problem+json")
        problem = json.loads(body)
        assert problem["status"] == 404
        assert problem["what"]
        assert problem["why"]
        assert problem["todo"]
        assert problem["instance"] == "/api/v1/workloads/east/production/Deployment/none"


async def walk(here: Site, path: str, between=None) -> list[dict]:
    found = []
    while path:
        status, headers, body = await here.get(path)
        assert status == 200, body
        page = json.loads(body)
        found += page["items"]
        link = headers.get("link", "")
        assert bool(link) == bool(page["next"])
        path = link.partition(">")[0].removeprefix("<")
        if between:
            await between(page["items"])
    return found


async def test_cursor_walks_every_item_once_while_the_fleet_changes(tmp_path):
    fleet = [look(f"svc-{i:03}") for i in range(60)]
    async with site(tmp_path, [*sources(), *fleet]) as here:
        number = iter(range(1000))

        async def change(seen: list[dict]) -> None:
            at = next(number)
            await here.ingest([look(f"svc-{i:03}", version=f"2.{at}") for i in range(0, 60, 7) if i != 14])
            await here.ingest([gone(fleet[14]), look(f"aaa-{at}"), look(f"zzz-{at}")])

        found = [i["ref"]["name"] for i in await walk(here, "/api/v1/workloads?limit=7&cluster=east", change)]
        assert len(found) == len(set(found))
        stayed = {f"svc-{i:03}" for i in range(60) if i != 14}
        assert stayed <= set(found)


async def test_rollouts_are_history_newest_first_in_pages(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        for number in range(2, 5):
            for phase in (Phase.PROGRESSING, Phase.SUCCEEDED):
                await here.ingest([look(f"svc-{i}", "staging", f"{number}.0", phase) for i in range(4)])
        found = await walk(here, "/api/v1/rollouts?limit=5")
        assert len(found) == len({r["id"] for r in found}) == 12
        order = [(r["started_at"], r["id"]) for r in found]
        assert order == sorted(order, reverse=True)
        assert {r["outcome"] for r in found} == {"promoted"}
        assert len(await walk(here, "/api/v1/rollouts?service=svc-1&outcome=promoted&limit=2")) == 3
        assert len(await walk(here, "/api/v1/rollouts?cluster=east&running=false&strategy=rolling")) == 12
        for nothing in ("cluster=eas", "running=true", "environment=production", "team=x", "outcome=failed"):
            assert await walk(here, f"/api/v1/rollouts?{nothing}") == []


@pytest.mark.parametrize("resource", ["workloads", "rollouts"])
async def test_cursor_that_was_not_issued_is_refused(tmp_path, resource):
    other = {"workloads": "rollouts", "rollouts": "workloads"}[resource]
    good = cursors.encode(resource, ("a", "b", "c", "d", "e"))
    async with site(tmp_path, sources()) as here:
        for cursor in ("x", "%01", "ä", good[:-2], good + "AA", "A" * 2000, cursors.encode(other, ["a"] * 5)):
            status, headers, body = await here.get(f"/api/v1/{resource}?cursor={cursor}")
            assert status == 400, cursor
            assert headers["content-type"] == "application/problem+json"
            assert json.loads(body)["title"] == "Invalid cursor"


async def test_board_stream_keeps_a_copy_equal_to_the_resource(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream("/api/v1/board") as stream:
        first = json.loads((await stream.event()).data)
        assert first["op"] == "snapshot"
        rows = {row["service"]: row for row in first["item"]["rows"]}
        head = {k: v for k, v in first["item"].items() if k != "rows"}
        await here.ingest([look("svc-1", version="2"), look("new"), gone(FLEET[0]), gone(FLEET[1])])
        said = first
        while rows.keys() != {"svc-1", "svc-2", "svc-3", "new"} or said["op"] != "head":
            said = json.loads((await stream.event()).data)
            if said["op"] == "put":
                rows[said["item"]["service"]] = said["item"]
            elif said["op"] == "delete":
                del rows[said["key"]]
            else:
                head = said["item"]
        board = await ask(here, "/api/v1/board")
        assert {row["service"]: row for row in board.pop("rows")} == rows
        assert board == head


async def test_list_stream_tells_what_comes_changes_and_goes(tmp_path):
    path = "/api/v1/workloads?environment=staging"
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream(path) as stream:
        first = json.loads((await stream.event()).data)
        assert first["op"] == "snapshot"
        assert [i["ref"]["name"] for i in first["items"]] == [f"svc-{i}" for i in range(4)]
        await here.ingest([look("svc-1", "staging", "2"), look("svc-1", "production", "2")])
        put = json.loads((await stream.event()).data)
        assert (put["op"], put["item"]["ref"]["namespace"], put["item"]["version"]) == ("put", "staging", "2")
        await here.ingest([gone(FLEET[0])])
        assert json.loads((await stream.event()).data) == {"op": "delete", "key": FLEET[0].key}


async def test_item_stream_is_the_resource_and_null_once_it_is_gone(tmp_path):
    path = "/api/v1/workloads/east/staging/Deployment/svc-1"
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream(path) as stream:
        assert json.loads((await stream.event()).data) == await ask(here, path)
        await here.ingest([look("svc-1", "staging", "2")])
        assert json.loads((await stream.event()).data)["workload"]["version"] == "2"
        await here.ingest([gone(FLEET[2])])
        assert (await stream.event()).data == "null"


async def test_rollout_stream_tells_of_those_that_begin_and_end(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here, here.stream("/api/v1/rollouts") as stream:
        assert json.loads((await stream.event()).data) == {"op": "snapshot", "items": []}
        await here.ingest([look("svc-1", "staging", "2", Phase.PROGRESSING)])
        began = json.loads((await stream.event()).data)["item"]
        await here.ingest([look("svc-1", "staging", "2", Phase.SUCCEEDED)])
        ended = json.loads((await stream.event()).data)["item"]
        assert (began["outcome"], ended["outcome"], began["id"]) == (None, "promoted", ended["id"])


@pytest.mark.parametrize("path", RESOURCES)
async def test_resource_says_202_while_starting(tmp_path, path):
    async with site(tmp_path, [*sources(), *FLEET], running=False) as here:
        status, headers, _ = await here.get(path)
        assert (status, headers["retry-after"]) == (202, "1")


async def test_documentation_has_examples_and_answers_that_agree_with_it(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        await here.ingest([look("svc-1", "staging", "2", Phase.PROGRESSING), SCAN])
        run, *jobs = ran("svc-1", "2", now())
        await here.ingest([pushed("svc-1", "2", now()), run, *jobs, made("svc-1", "2", now())])
        document = await ask(here, "/api/v1/openapi.json")

        def check(schema: dict, value: object) -> None:
            whole = {**schema, "components": document["components"]}
            jsonschema_rs.validator_for(whole, validate_formats=True).validate(value)

        (begun,) = (await ask(here, "/api/v1/rollouts"))["items"]
        rollout = f"/api/v1/rollouts/{begun['id']}"
        resources = [*RESOURCES, *UNSTREAMED, "/api/v1/audit", "/api/v1/me", rollout]
        resources += ["/api/v1/pipelines", f"/api/v1/pipelines/{run.key}"]
        resources += [f"/api/v1/commits/{sha_of('svc-1 2')}", "/api/v1/timeline"]
        resources += ["/api/v1/changes?since=-1h", "/api/v1/dora", "/api/v1/dora/rows"]
        for path, template in zip(sorted(resources), sorted(document["paths"]), strict=True):
            answers = document["paths"][template]["get"]["responses"]
            for answer in answers.values():
                for kind, body in answer.get("content", {}).items():
                    check(body["schema"], body["example"])
                    assert body["example"], kind
            check(answers["200"]["content"]["application/json"]["schema"], await ask(here, path))


async def test_workload_tells_its_history_and_each_rollout_is_a_resource_of_its_own(tmp_path):
    new = look("svc-1", "staging", "2", Phase.PROGRESSING)
    path = "/api/v1/workloads/east/staging/Deployment/svc-1"
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        assert (await ask(here, path))["history"] == []
        async with here.stream(path) as stream:
            await stream.event()
            await here.ingest([new])
            told = json.loads(await stream.until('"history":[{'))
        (running,) = told["history"]
        assert (running["seconds"], told["history_total"], told["typical"]) == (None, 1, None)
        assert [stage["phase"] for stage in running["stages"]] == ["progressing"]
        mine = f"/api/v1/rollouts/{running['rollout']['id']}"
        status, headers, _ = await here.get(mine)
        assert (status, (await here.get(mine, if_none_match=headers["etag"]))[0]) == (200, 304)
        async with here.stream(mine) as stream:
            await stream.event()
            await here.ingest([look("svc-1", "staging", "2")])
            ended = json.loads(await stream.until('"promoted"'))
        assert ended["seconds"] >= 0
        assert (await here.get(mine))[1]["etag"] != headers["etag"]
        lasted = ended[
            "seconds"
        ]  # what was over in less than a second (1 when rounded) tells nothing of the next
        allowed = [{"seconds": lasted, "count": 1}, None][: 1 if lasted > 1 else 2]
        assert (await ask(here, path))["typical"] in allowed


@pytest.mark.parametrize("ident", ["nothing", "00000000"])
async def test_rollout_that_is_not_kept_is_a_problem(tmp_path, ident):
    async with site(tmp_path, sources()) as here:
        status, headers, body = await here.get(f"/api/v1/rollouts/{ident}")
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(body)["title"] == "No such rollout"


async def test_deleted_workload_says_when_it_was_last_there(tmp_path):
    async with site(tmp_path, [*sources(), *FLEET]) as here:
        await here.ingest([gone(FLEET[0])])
        await here.settled(lambda: here.hub.fleet.at(FLEET[0].ref) is None)
        status, _, body = await here.get(f"/api/v1/workloads/{FLEET[0].ref}")
    assert status == 404
    assert "was deleted: it was last there at" in json.loads(body)["detail"]
