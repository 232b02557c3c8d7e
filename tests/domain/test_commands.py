"""The table of verbs, and what a verb takes."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.commands import VERBS, Arguments, Verb, ignored, takers

GIVEN: dict[str, Any] = {
    "revision": "7c9d",
    "images": {"web": "web:2"},
    "weight": 0,
    "delete_blocking": True,
    "until": datetime(2026, 11, 26, tzinfo=UTC),
}


@pytest.mark.parametrize("verb", Verb)
def test_verb_ignores_exactly_the_arguments_that_are_not_in_its_row(verb):
    assert GIVEN.keys() == {field.name for field in fields(Arguments)}
    taken = {
        name for name, value in GIVEN.items() if not ignored(verb, replace(Arguments(), **{name: value}))
    }
    assert taken == set(VERBS[verb].takes)
    assert not ignored(verb, Arguments())


def test_what_is_ignored_is_said_with_what_is_taken():
    said = ignored(Verb.ROLLBACK, Arguments(revision="7c9d", weight=10))
    assert said == "Roll back (rollback) takes only revision and delete_blocking, not weight."
    assert (
        ignored(Verb.PAUSE, Arguments(images={"a": "b"})) == "Pause (pause) takes no arguments, not images."
    )
    assert takers("revision") == "rollback, switch, sync"
