"""What is kept and shown of a write."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.domain.refusals import Absent
from app.engines.acting import VERSION_AFTER, Effect, Patch, Plan
from app.engines.port import DEPLOYMENT, ROLLOUT
from app.perform.write import HIDDEN, Partly, send, sendings, veiled


def test_values_of_environment_variables_are_not_shown():
    template = {
        "spec": {
            "containers": [{"name": "web", "image": "web:1", "env": [{"name": "KEY", "value": "s3cret"}]}]
        }
    }
    body = [
        {"op": "test", "path": "/metadata/uid", "value": "5a1b"},
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "s3cret"},
        {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:2"},
    ]
    shown = veiled(body)
    assert "s3cret" not in str(shown)
    assert shown[1]["value"]["spec"]["containers"][0] == {
        "name": "web", "image": "web:1", "env": [{"name": "KEY", "value": HIDDEN}]
    }  # fmt: skip
    assert [each["value"] for each in (shown[0], shown[3])] == ["5a1b", "web:2"]
    assert "s3cret" in str(body), "the body itself is left as it is"
    (sending,) = sendings(Plan("", (Patch(DEPLOYMENT, "shop", "web", body),), Effect()))
    assert sending.body == shown


class Old:
    """A cluster whose Rollouts have no status subresource; in one that is `empty`, nothing is there at all."""

    name = "old"

    def __init__(self, *, empty: bool = False) -> None:
        self.empty, self.written = empty, list[tuple[str, Any]]()

    async def patch(
        self, path: str, body: Any, content: str, *, dry_run: bool = False, seconds: float = 1
    ) -> bytes:
        if path.endswith("/status") or (self.empty and self.written):
            raise Absent(f"Could not change {path}", "not found")
        self.written.append((path, body))
        return b'{"metadata": {"resourceVersion": "8"}}'

    async def get(self, path: str, query: Sequence[tuple[str, str]] = (), *, seconds: float = 1) -> bytes:
        raise AssertionError(path)

    delete = may = get


@pytest.mark.anyio
async def test_status_is_written_with_the_object_where_it_has_no_subresource():
    held = [{"op": "test", "path": "/metadata/resourceVersion", "value": VERSION_AFTER}]
    main = Patch(ROLLOUT, "shop", "web", [])
    status = Patch(ROLLOUT, "shop", "web", held, "status", after_first=True)
    plan = Plan("", (main, status), Effect())
    old = Old()
    await send(old, plan)  # type: ignore[arg-type]
    assert [path for path, _ in old.written] == [main.path(), main.path()]
    assert old.written[1][1][0]["value"] == "8", "the version that the first write left"
    with pytest.raises(Partly):
        await send(Old(empty=True), plan)  # type: ignore[arg-type]
