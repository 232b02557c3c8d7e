"""Plans held against what kubectl and the Argo Rollouts commands sent to a real API server at the same moment.

Both are applied to the object as it was; but for what is documented (our mark, the annotations that an undo keeps, the
step that a promotion names) the results must be the same.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from app.demo import patches
from app.domain.commands import Arguments, Verb
from app.engines import relatives, roots
from app.engines.acting import STAMP as MARK
from app.engines.acting import NotOffered
from tests.engines.acts import Documents, applied, plan, state
from tests.engines.tape import TAPES, Moment, replay

_KINDS = {kind.plural: kind.name for kind in (*roots(), *relatives())}
_CAUSE = "kubernetes.io/change-cause"


@dataclass(frozen=True)
class Sent:
    """What was sent at `t` in a tape to the root `name` of the resource `res`, and the objects as they were."""

    t: float
    res: str
    name: str
    subresource: str
    content: str
    body: Any
    documents: Documents


@cache
def _sent(tape: str) -> tuple[Sent, ...]:
    there: dict[str, dict[str, Any]] = defaultdict(dict)
    found = []
    with gzip.open(next(TAPES.glob(f"{tape}-*.jsonl.gz"))) as recorded:
        lines = [json.loads(line) for line in recorded]
    lines.sort(key=lambda line: line.get("t0", line["t"]) if line["kind"] == "request" else line["t"])
    for line in lines:
        if line["kind"] == "watch" and line["res"] in _KINDS:
            event = line["event"]
            if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                uid = event["object"]["metadata"]["uid"]
                there[line["res"]][uid] = {"kind": _KINDS[line["res"]], **event["object"]}
                if event["type"] == "DELETED":
                    del there[line["res"]][uid]
        elif line["kind"] == "request" and line["method"] == "PATCH" and line["status"] == 200:
            way = line["path"].partition("/namespaces/")[2].split("/")[1:]
            if len(way) < 2:
                continue
            res, name, *sub = way
            root = next((o for o in there.get(res, {}).values() if o["metadata"]["name"] == name), None)
            if root is not None:
                others = [o for kinds in there.values() for o in kinds.values() if o is not root]
                content = line["req_headers"]["Content-Type"].partition("/")[2].partition("+")[0]
                found.append(
                    Sent(line["t0"], res, name, "".join(sub), content, line["req_body"], [root, *others])
                )
    return tuple(found)


def _theirs(sent: Sent) -> dict[str, Any]:
    way = {"json-patch": patches.json_patch, "merge-patch": patches.merge}.get(
        sent.content, patches.strategic
    )
    made: dict[str, Any] = way(sent.documents[0], sent.body)
    return made


def _comparable(obj: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(obj)
    del made["metadata"]["resourceVersion"]
    made["metadata"].setdefault("annotations", {}).pop(MARK, None)
    if made["spec"].get("paused") is False:
        del made["spec"]["paused"]
    return made


def _at(tape: str, t: float) -> Sent:
    return next(sent for sent in _sent(tape) if abs(sent.t - t) < 0.02)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


AS_KUBECTL = [
    ("03", 3.24, Verb.SET_IMAGE, Arguments(images={"web": "web:1.1"})),
    ("03", 5.95, Verb.PAUSE, Arguments()),
    ("03", 15.54, Verb.SET_IMAGE, Arguments(images={"web": "web:1.2"})),
    ("03", 24.01, Verb.RESUME, Arguments()),
    ("04", 12.37, Verb.SET_IMAGE, Arguments(images={"web": "web:1.2"})),
    ("06", 2.87, Verb.RESTART, Arguments()),
    ("06", 9.10, Verb.RESTART, Arguments()),
    ("07", 9.14, Verb.SET_IMAGE, Arguments(images={"web": "db:1.1"})),
    ("07", 23.71, Verb.PROMOTE_FULL, Arguments()),
    ("07", 36.69, Verb.ROLLBACK, Arguments()),
    ("08", 3.10, Verb.SET_IMAGE, Arguments(images={"web": "agent:1.1"})),
    ("08", 32.90, Verb.ROLLBACK, Arguments()),
    ("09", 4.92, Verb.SWITCH, Arguments()),
    ("09", 7.94, Verb.SWITCH, Arguments()),
    ("09", 11.00, Verb.SWITCH, Arguments()),
    ("21", 2.67, Verb.SET_IMAGE, Arguments(images={"web": "web:1.1"})),
    ("21", 15.76, Verb.PROMOTE_FULL, Arguments()),
    ("21", 23.40, Verb.ABORT, Arguments()),
    ("21", 26.64, Verb.RETRY, Arguments()),
    ("21", 28.43, Verb.ABORT, Arguments()),
    ("21", 43.77, Verb.RESTART, Arguments()),
    ("22", 4.98, Verb.PROMOTE, Arguments()),
    ("22", 14.88, Verb.ABORT, Arguments()),
]


@pytest.mark.parametrize(("tape", "t", "verb", "arguments"), AS_KUBECTL, ids=str)
def test_plan_makes_of_the_object_what_was_made_of_it_then(
    tape: str, t: float, verb: Verb, arguments: Arguments
) -> None:
    sent = _at(tape, t)
    now = _asked_at(sent, verb)
    documents = _switched(sent)

    found = plan(documents, verb, arguments, now=now)
    after = applied(documents, found.patches)

    assert _comparable(after[0]) == _comparable(_theirs(replace(sent, documents=documents)))


def _switched(sent: Sent) -> Documents:
    """Our blue-green is known by an annotation, which the Service of the tape lacks."""
    if sent.res != "services":
        return sent.documents
    root = copy.deepcopy(sent.documents[0])
    root["metadata"].setdefault("annotations", {})["shipboard/switch"] = "color"
    return [root, *sent.documents[1:]]


@pytest.mark.parametrize(("t", "version"), [(20.61, "web:1.1"), (28.99, "web:1.0"), (41.95, "web:1.0")])
def test_undo_of_a_deployment_is_kubectls_but_keeps_the_annotations_of_now(t: float, version: str) -> None:
    sent = _at("04", t)
    named = next(
        d["metadata"]["uid"]
        for d in sent.documents
        if d["kind"] == "ReplicaSet" and d["spec"]["template"]["spec"]["containers"][0]["image"] == version
    )

    found = plan(sent.documents, Verb.ROLLBACK, Arguments(revision=named))
    ours, theirs = applied(sent.documents, found.patches)[0], _theirs(sent)

    assert ours["spec"] == theirs["spec"]
    kept = {k: v for k, v in ours["metadata"]["annotations"].items() if k not in (MARK, _CAUSE)}
    before = sent.documents[0]["metadata"]["annotations"]
    assert kept == {k: v for k, v in before.items() if k != _CAUSE}
    assert [d.what for d in found.difference] == ["image of web"]
    assert found.difference[0].after == version


def test_undo_without_a_revision_goes_where_kubectl_goes_from_a_broken_rollout() -> None:
    sent = _at("04", 41.95)

    found = plan(sent.documents, Verb.ROLLBACK)

    assert applied(sent.documents, found.patches)[0]["spec"] == _theirs(sent)["spec"]


def test_broken_pod_of_a_tape_is_deleted_with_the_undo_and_no_other() -> None:
    sent = _at("07", 36.69)

    found = plan(sent.documents, Verb.ROLLBACK, Arguments(delete_blocking=True))

    assert [(p.name, p.delete, p.when_seen) for p in found.patches] == [
        ("db", False, False),
        ("db-3", True, True),
    ]
    assert "db-3" in found.sentence


def test_promotion_of_a_canary_leaves_no_pause_and_names_the_next_step() -> None:
    sent = _at("21", 4.43)
    index = sent.documents[0]["status"]["currentStepIndex"]

    found = plan(sent.documents, Verb.PROMOTE)
    ours, theirs = applied(sent.documents, found.patches)[0], _theirs(sent)

    assert ours["status"].pop("currentStepIndex") == index + 1
    assert ours["status"].pop("controllerPause") is False
    assert ours["status"] == {
        k: v for k, v in theirs["status"].items() if k not in ("currentStepIndex", "controllerPause")
    }
    assert ours["spec"] == theirs["spec"]


def test_undo_of_an_aborted_canary_is_the_old_template_but_for_defaults_and_is_stable() -> None:
    sent = _at("21", 28.71)
    now = state(sent.documents)
    assert now.stable is not None

    found = plan(sent.documents, Verb.ROLLBACK)
    after = applied(sent.documents, found.patches)

    assert found.to == now.stable
    images = [d for d in found.difference if d.what == "image of web"]
    assert [d.after for d in images] == ["web:1.2"]
    assert len(found.difference) == 1, "defaults that the API server filled in are no difference"
    assert after[0]["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1.2"


def test_pause_of_a_rollout_that_rests_is_refused_though_the_server_took_it() -> None:
    with pytest.raises(NotOffered, match="Nothing is on its way"):
        plan(_at("21", 43.29).documents, Verb.PAUSE)


@pytest.mark.parametrize(("tape", "t", "verb", "arguments"), AS_KUBECTL, ids=str)
def test_effect_is_seen_on_the_tape_and_not_called_lost_before(
    tape: str, t: float, verb: Verb, arguments: Arguments
) -> None:
    sent = _at(tape, t)
    root = sent.documents[0]
    now = _asked_at(sent, verb)
    effect = plan(_switched(sent), verb, arguments, now=now).effect

    for moment in replay(tape, _annotate):
        if (
            not isinstance(moment, Moment)
            or moment.t <= t
            or moment.raw["metadata"]["uid"] != root["metadata"]["uid"]
        ):
            continue
        if effect.met(moment.state):
            assert moment.t < t + 4
            return
        assert not effect.lost(moment.state)
    pytest.fail("it never came")


def _annotate(kind: str, obj: dict[str, Any]) -> None:
    if kind == "Service":
        obj["metadata"].setdefault("annotations", {})["shipboard/switch"] = "color"


def _asked_at(sent: Sent, verb: Verb) -> datetime:
    if verb is not Verb.RESTART:
        return datetime(2026, 11, 23, tzinfo=UTC)
    if sent.res == "rollouts":
        return _time(sent.body["spec"]["restartAt"])
    return _time(
        sent.body["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"]
    )
