"""The README tells of what is there: pictures in both themes, none too large, and files that exist."""

import re

from tests.machine import ROOT

TEXT = (ROOT / "README.md").read_text()


def test_every_picture_is_there_in_both_themes_and_small() -> None:
    shown = set(re.findall(r"docs/pictures/[\w.-]+", TEXT))
    kept = {f"docs/pictures/{path.name}" for path in (ROOT / "docs/pictures").iterdir()}
    assert shown == kept
    assert {name.replace("light", "dark") for name in shown if "light" in name} == {
        name for name in shown if "dark" in name
    }
    sizes = {name: (ROOT / name).stat().st_size for name in shown}
    assert all(0 < size <= 150_000 for size in sizes.values()), sizes


def test_every_file_it_names_is_there() -> None:
    named = re.findall(r"`((?:docs|deploy|app|tests|static|templates|\.ci)/[\w./-]*)`", TEXT)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
