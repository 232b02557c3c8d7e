"""What changed since somebody looked, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.commands import Expected, Verb
from app.domain.rollout import Phase
from app.perform.differences import moved
from app.perform.look import Seen
from tests.engines.acts import NOW, Documents, applied, engine_of, look, plan, state, versioned
from tests.engines.objects import cases

WAITS = versioned(
    next(
        case.documents
        for case in cases()
        if (case.engine, case.name) == ("service-switch", "other-colour-waits-for-the-switch")
    )
)


def seen(documents: Documents) -> Seen:
    return Seen(look(documents), engine_of(documents), state(documents))


def test_after_a_switch_the_sides_are_told_by_version_and_colour():
    before = seen(WAITS)
    after = seen(applied(WAITS, plan(WAITS, Verb.SWITCH).patches))
    told = {d.what: (d.before, d.after) for d in moved(before.expected, after)}
    assert told["the version before"][0] == "1.0 on blue"
    assert told["the phase"][0] == "awaiting approval"
    assert told["the step"][0].startswith("2")
    words = " ".join(word for pair in told.values() for word in pair)
    for key in (r.key for r in before.state.revisions):
        assert key not in words


@pytest.mark.parametrize(
    ("expected", "what", "before", "after"),
    [
        (Expected(uid="gone"), "the object", "the one that you saw", "another of the same name"),
        (Expected(revision="gone"), "the revision", "a version that is not kept any more", "2.0 on green"),
        (Expected(phase=Phase.IDLE), "the phase", "idle", "awaiting approval"),
        (Expected(step=0), "the step", "1 of 2", "2 of 2"),
        (Expected(paused_at=NOW), "the pause", f"since {NOW:%H:%M:%S} UTC", ""),
    ],
    ids=["object", "revision", "phase", "step", "pause"],
)
def test_a_difference_has_no_key_in_it(expected, what, before, after):
    (found,) = moved(expected, seen(WAITS))
    assert found.what == what
    assert found.before == before or found.before.startswith(before + " (")
    assert found.after.startswith(after)


def test_one_version_that_was_deployed_twice_is_two():
    now = seen(WAITS)
    twin = replace(now.state.revisions[0], key="twin")
    now = replace(now, state=replace(now.state, revisions=(*now.state.revisions, twin), lanes=()))
    (found,) = moved(Expected(revision="twin"), now)
    assert (found.before, found.after) == ("2.0, as it was", "2.0, deployed anew")
