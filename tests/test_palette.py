"""The five states are told apart by every kind of sight, and every ink can be read on its ground.

Colour vision deficiency: Machado, Oliveira, Fernandes 2009, severity 1, in linear RGB. Difference: CIEDE2000
(Sharma, Wu, Dalal 2005, whose published pairs check the arithmetic). Contrast: WCAG 2.2.
"""

from __future__ import annotations

import re
from itertools import combinations
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt
from pathlib import Path

import pytest

Triple = tuple[float, float, float]
TOKENS = (Path(__file__).parents[1] / "static/css/tokens.css").read_text()
STATES = ("healthy", "moving", "waiting", "failed", "unknown")
THEMES = ("light", "dark")
LEAST = 19.8

SIGHTS: dict[str, tuple[Triple, Triple, Triple]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)


def token(name: str, theme: str) -> Triple:
    """A colour of tokens.css as linear RGB."""
    found = re.search(rf"--{name}: light-dark\((#\w{{6}}), (#\w{{6}})\)", TOKENS)
    assert found, name
    code = found[1 + THEMES.index(theme)]
    r, g, b = (int(code[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return linear(r), linear(g), linear(b)


def linear(c: float) -> float:
    return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4


def times(matrix: tuple[Triple, Triple, Triple], v: Triple) -> Triple:
    a, b, c = (sum(m * x for m, x in zip(row, v, strict=True)) for row in matrix)
    return a, b, c


def seen(colour: Triple, sight: str) -> Triple:
    r, g, b = (min(1.0, max(0.0, c)) for c in times(SIGHTS[sight], colour))
    return r, g, b


def lab(colour: Triple) -> Triple:
    def f(t: float) -> float:
        return t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116

    x, y, z = (f(c / w) for c, w in zip(times(XYZ, colour), WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one: Triple, two: Triple) -> float:
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = ((hypot(a1, b1) + hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - sqrt(mean / (mean + 25.0**7)))
    c1, c2 = hypot(a1 * (1 + g), b1), hypot(a2 * (1 + g), b2)
    h1, h2 = degrees(atan2(b1, a1 * (1 + g))) % 360, degrees(atan2(b2, a2 * (1 + g))) % 360
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dh = 2 * sqrt(c1 * c2) * sin(radians(turn / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    t = (
        1
        - 0.17 * cos(radians(hm - 30))
        + 0.24 * cos(radians(2 * hm))
        + 0.32 * cos(radians(3 * hm + 6))
        - 0.20 * cos(radians(4 * hm - 63))
    )
    sl = 1 + 0.015 * (lm - 50) ** 2 / sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    rt = -2 * sqrt(cm**7 / (cm**7 + 25.0**7)) * sin(radians(60 * exp(-(((hm - 275) / 25) ** 2))))
    light, c, h = (l2 - l1) / sl, (c2 - c1) / sc, dh / sh
    return sqrt(light * light + c * c + h * h + rt * c * h)


def contrast(one: Triple, two: Triple) -> float:
    light, dark = sorted((times(XYZ, c)[1] for c in (one, two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("one", "two", "difference"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_arithmetic_gives_the_published_differences(one, two, difference):
    assert ciede2000(one, two) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_states_are_told_apart(theme, sight):
    colours = {name: lab(seen(token(name, theme), sight)) for name in STATES}
    nearest = min(ciede2000(colours[a], colours[b]) for a, b in combinations(STATES, 2))
    assert round(nearest, 1) >= LEAST


@pytest.mark.parametrize(
    ("theme", "name", "least"),
    [
        *[("dark", name, 4.8) for name in STATES],
        ("dark", "waiting-ink", 4.8),
        ("dark", "healthy-dim", 3.0),
        *[("light", name, 4.5) for name in ("healthy", "moving", "failed", "unknown", "waiting-ink")],
        ("light", "waiting", 3.0),
        *[
            (theme, name, least)
            for theme in THEMES
            for name, least in (("ink", 15), ("ink-2", 7), ("ink-3", 4.5))
        ],
    ],
)
def test_a_colour_stands_out_from_its_ground(theme, name, least):
    assert round(contrast(token(name, theme), token("ground", theme)), 1) >= least
