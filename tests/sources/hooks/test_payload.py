"""No bytes get past the decoder that two readers would read differently, and none raise anything but a refusal."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sources.hooks import tree
from app.sources.hooks.payload import FORM, decoded, unwrapped
from app.sources.hooks.port import Refused

HOSTILE = {
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep but decodable": b"[" * 300 + b"]" * 300,
    "long number": b'{"a":' + b"9" * 5_000 + b"}",
    "long fraction": b'{"a":1e999}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "reversed pair": b'{"a":"\\udc00\\ud800"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "doubled name": b'{"a":1,"b":{"c":1,"c":2}}',
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "cut short": b'{"a":',
    "two values": b"{} {}",
    "nothing": b"",
    "NUL": b"\x00",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies_are_refused(body) -> None:
    with pytest.raises(Refused):
        decoded(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=20
    )
)
def test_ordinary_json_is_read_as_it_is(value) -> None:
    assert decoded(json.dumps({"value": value}).encode()) == {"value": value}


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(body) -> None:
    for kind in ("application/json", FORM):
        with contextlib.suppress(Refused):
            decoded(unwrapped(kind, body))


def test_form_holds_its_json_in_one_member() -> None:
    assert unwrapped(f"{FORM}; charset=utf-8", b"payload=%7B%22a%22%3A1%7D") == b'{"a":1}'
    for odd in (b"", b"other=1", b"payload=1&payload=2", b"\xff"):
        with pytest.raises(Refused):
            unwrapped(FORM, odd)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("2016-08-12 15:23:28 UTC", "2016-08-12T15:23:28+00:00"),
        ("2021-04-28 21:50:00 +0200", "2021-04-28T19:50:00+00:00"),
        ("2022-11-21T16:42:52.7761408Z", "2022-11-21T16:42:52.776140+00:00"),
        ("2024-05-04T05:06:07.123456789-03:30", "2024-05-04T08:36:07.123456+00:00"),
        (1617000000, "2021-03-29T06:40:00+00:00"),
        (1617000000123, "2021-03-29T06:40:00.123000+00:00"),
        (1.417566161e09, "2014-12-03T00:22:41+00:00"),
        ("0001-01-01T00:00:00Z", None),
        (0, None),
        (10**300, None),
        (True, None),
        ("2024-13-41T99:00:00Z", None),
        ("yesterday", None),
        ([], None),
    ],
)
def test_times_of_every_provider_are_one_instant(given_, wanted) -> None:
    found = tree.time({"at": given_}, "at")
    assert (found.isoformat() if found else None) == wanted


def test_addresses_lose_their_credentials_and_other_schemes_are_none() -> None:
    assert (
        tree.url({"u": "https://user:token@ci.example.org:8443/x?y=1"}, "u")
        == "https://ci.example.org:8443/x?y=1"
    )
    for odd in ("javascript:alert(1)", "https://", "https://[", "ftp://a/b", 7, "https://a/\n"):
        assert tree.url({"u": odd}, "u") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(json_values)
def test_reading_never_raises_whatever_stands_there(value) -> None:
    for read in (tree.text, tree.word, tree.number, tree.url, tree.time, tree.node, tree.first_line):
        read({"a": value}, "a")
        read(value, "a", "b")
    list(tree.nodes({"a": value}, "a"))
