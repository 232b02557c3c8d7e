"""The style sheets keep their rules: colours in tokens, phases in states, everything in a layer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.domain.freshness import Freshness
from app.domain.rollout import Attention
from app.web.formats import phase
from app.web.sheets import COMPONENTS

ROOT = Path(__file__).parents[1]
CSS = ROOT / "static/css"
SHEETS = sorted(CSS.rglob("*.css"))
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch|color)\(", re.IGNORECASE)


def text(sheet: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_a_sheet_is_one_layer_of_its_own_name_or_its_folders(sheet):
    outside = text(sheet)
    layer = sheet.stem if sheet.parent == CSS else sheet.parent.name
    assert f"@layer {layer} {{" in outside
    assert "!important" not in outside
    assert outside.count("{") == outside.count("}")


@pytest.mark.parametrize("sheet", [s for s in SHEETS if s.stem != "tokens"], ids=lambda path: path.stem)
def test_no_colour_stands_outside_the_tokens(sheet):
    assert not COLOUR.findall(text(sheet))


@pytest.mark.parametrize("sheet", [s for s in SHEETS if s.stem != "states"], ids=lambda path: path.stem)
def test_only_states_gives_a_phase_its_colour(sheet):
    assert not re.search(r"--(state|word)\s*:", text(sheet))


@pytest.mark.parametrize("state", [*Attention, *Freshness])
def test_every_state_has_a_colour_a_word_and_a_shape(state):
    rule = re.search(
        rf'\[data-phase="{phase(state)}"\] {{ --state: var\((--[a-z-]+)\); --word: ', text(CSS / "states.css")
    )
    assert rule
    assert f"{rule[1]}: light-dark(" in text(CSS / "tokens.css")
    assert f'<symbol id="g-{phase(state)}"' in (ROOT / "templates/icons.svg").read_text()


def test_every_component_sheet_is_one_of_those_that_all_pages_have():
    assert sorted(COMPONENTS) == sorted(path.stem for path in (CSS / "components").iterdir())


def test_every_property_that_is_used_is_defined():
    everything = "".join(text(sheet) for sheet in SHEETS)
    defined = set(re.findall(r"(--[a-z0-9-]+)\s*:", everything))
    assert set(re.findall(r"var\((--[a-z0-9-]+)", everything)) <= defined


@pytest.mark.parametrize(
    ("name", "never"),
    [("app", r"fetch\(|\.style\b"), ("wall", r"outerHTML|insertAdjacent")],
    ids=["app", "wall"],
)
def test_a_script_evaluates_nothing(name: str, never: str) -> None:
    script = (ROOT / f"static/js/{name}.js").read_text()
    assert not re.search(rf"\beval\(|new Function|innerHTML|{never}", script)


def test_the_scripts_stay_small() -> None:
    scripts = [path.read_text().splitlines() for path in (ROOT / "static/js").glob("*.js")]
    assert sum(map(len, scripts)) <= 200
    assert max(len(line) for lines in scripts for line in lines) <= 180
