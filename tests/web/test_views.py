"""Views: whoever watches, however slowly, ends up with what is there."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.web.views import Patch, View, etag

NOW = datetime(2026, 10, 1, tzinfo=UTC)


class Letters:
    """Content: letters with numbers, changed from outside."""

    def __init__(self) -> None:
        self.now = {"a": 0}
        self.next = Patch()

    def put(self, letters: dict[str, int | None]) -> None:
        old = dict(self.now)
        for letter, number in letters.items():
            if number is None:
                self.now.pop(letter, None)
            else:
                self.now[letter] = number
        self.next = Patch(
            changed=frozenset(k for k in self.now if k in old and old[k] != self.now[k]),
            added=frozenset(self.now.keys() - old.keys()),
            removed=frozenset(old.keys() - self.now.keys()),
        )

    def apply(self, topics, now):
        return self.next

    def beat(self, now):
        return Patch()

    def body(self):
        return json.dumps(self.now).encode()

    def whole(self):
        return [json.dumps({"whole": self.now}).encode()]

    def some(self, patch):
        assert patch
        put = {letter: self.now[letter] for letter in patch.changed | patch.added}
        return [json.dumps({"put": put, "delete": sorted(patch.removed)}).encode()]


class Client:
    """Follows a view by its messages alone."""

    def __init__(self) -> None:
        self.version = -1
        self.has: dict[str, int] = {}

    def read(self, view: View) -> int:
        message = view.after(self.version)
        self.version = view.version
        for line in message.decode().splitlines():
            if line.startswith("data: "):
                said = json.loads(line[6:])
                self.has = said["whole"] if "whole" in said else self.has | said["put"]
                for letter in said.get("delete", ()):
                    del self.has[letter]
        return len(message)


CHANGES = st.dictionaries(st.sampled_from("abcdef"), st.none() | st.integers(0, 3))


@given(st.lists(st.tuples(CHANGES, st.booleans(), st.booleans()), max_size=30))
def test_view_brings_every_watcher_to_the_same_state(steps):
    content = Letters()
    view = View(content, "e", 0.0)
    close, far = Client(), Client()
    for letters, beats, far_reads in steps:
        content.put(letters)
        view.apply((), NOW)
        if beats:
            view.beat(NOW)
        close.read(view)
        assert close.has == content.now
        if far_reads:
            far.read(view)
            assert far.has == content.now


def test_view_skips_a_slow_watcher_ahead_without_buffering():
    content = Letters()
    view = View(content, "e", 0.0)
    slow = Client()
    slow.read(view)
    for number in range(1, 1001):
        content.put({"a": number})
        view.apply((), NOW)
    assert slow.read(view) < 100
    assert slow.has == {"a": 1000}


def test_view_gives_all_who_are_one_behind_the_same_bytes():
    content = Letters()
    view = View(content, "e", 0.0)
    content.put({"a": 1})
    view.apply((), NOW)
    assert view.after(0) is view.after(0)
    assert view.after(0).startswith(b"id: e.1\n")
    assert view.after(1) == b""


def test_view_changes_its_tag_with_its_body_and_only_then():
    content = Letters()
    view = View(content, "e", 0.0)
    body, tag = view.answer()
    view.beat(NOW)
    assert view.answer() == (body, tag)
    content.put({"a": 5})
    view.apply((), NOW)
    assert view.answer() == (b'{"a": 5}', etag(b'{"a": 5}'))
    assert view.packed()[1] not in (tag, view.answer()[1])
