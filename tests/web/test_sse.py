"""Server-sent events: what is parsed by the standard's own rules is what was sent."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from app.web import sse

TEXT = st.text(st.one_of(st.sampled_from("\r\n\0:\ufeff ad"), st.characters(exclude_categories=["Cs"])))


def parse(stream: bytes) -> list[tuple[str, str, str]]:
    """Events as a browser reads them (WHATWG HTML, 9.2.6): id, name, data."""
    events: list[tuple[str, str, str]] = []
    data: list[str] = []
    ident = name = ""
    for line in re.split("\r\n|\r|\n", stream.decode().removeprefix("\ufeff"))[:-1]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append((ident, name, "\n".join(data)))
            name, data = "", []
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and "\0" not in value:
            ident = value
    return events


def clean(text: str) -> str:
    return re.sub("[\r\n\0]", "", text)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5))
@example([("1", "", ""), ("\n", "", "")])
def test_event_arrives_as_it_was_sent(sent):
    stream = b"".join(sse.event(data.encode(), ident, name) for ident, name, data in sent)
    last, expected = "", []
    for ident, name, data in sent:
        last = clean(ident) or last
        expected.append((last, clean(name), re.sub("\r\n|\r", "\n", data)))
    if expected and stream.startswith("\ufeff".encode()):
        raise AssertionError("a stream must not start with text from outside")
    assert parse(stream) == expected


def test_heartbeat_and_farewell_are_no_events():
    assert parse(sse.HEARTBEAT + sse.farewell(1500)) == []
