"""Templates to bytes: whole pages and single regions out of the same files.

A region is a Jinja block whose name is the id of the element it holds. Blocks rendered alone do not see what
their template imports at its top, so the macros of `ui.html` are a global of the environment, `ui`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Context
from markupsafe import Markup, escape
from markupsafe import _escape_inner as _escape_text  # type: ignore[attr-defined]

from . import sheets
from .files import resources
from .formats import FILTERS, ago, iso, timer
from .qr import scanner

MACROS = "ui.html"
FRAME = "live.html"
MARK = "\x00"
"""Stands for what is filled in later. Templates escape or cut everything from outside, so it comes from
nowhere else."""
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.IGNORECASE)

_AGE = re.compile(r'(<time [^<>]*?datetime="([0-9TZ:-]{20})" data-(ago=fine|ago|timer)[^<>]*>)[^<]*')


class _Environment(Environment):
    """Jinja's, with an escape of its own: a board is escaped some ten thousand times."""

    @staticmethod
    def escaped(text: object) -> str:
        """As `markupsafe.escape`, without wrapping what it answers, which templates only join."""
        if type(text) is str:
            return _escape_text(text)
        return text if type(text) is Markup else escape(text)

    def _generate(self, *given: Any, **named: Any) -> str:
        return f"{super()._generate(*given, **named)}\nescape = environment.escaped\n"


class Renderer:
    """The Jinja environment of all pages: autoescape whatever the file is called; undefined names are
    errors. `public_url` is where QR codes lead; without one there are none."""

    def __init__(
        self, templates: Path | None = None, static: Path | None = None, public_url: str = ""
    ) -> None:
        environment = _Environment(
            loader=FileSystemLoader(templates or resources("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        environment.filters.update(FILTERS, glyph=_glyph, age=_time)
        environment.globals.update(asset=_assets(static or resources("static")), safe_url=safe_url)
        environment.globals["scan"] = scanner(public_url)
        environment.globals.update(drawn_glyph=_glyph, drawn_time=_time)
        environment.globals["ui"] = environment.get_template(MACROS).module
        environment.globals["far"] = environment.get_template("far.html").module
        environment.globals["ci"] = environment.get_template("ci.html").module
        self._environment = environment

    def page(self, template: str, context: Mapping[str, object], put: Mapping[str, str] | None = None) -> str:
        """`template` as a whole; a block named in `put` is that text instead."""
        loaded = self._environment.get_template(template)
        drawn = loaded.new_context(dict(context))
        _put(drawn, put or {})
        return "".join(loaded.root_render_func(drawn))

    def drawing(
        self, template: str, block: str, context: Mapping[str, object], name: str
    ) -> Callable[[object], str]:
        """What draws one block of `template` for what is called `name` in it, over and over."""
        loaded = self._environment.get_template(template)
        drawn, root = loaded.new_context(dict(context)), loaded.blocks[block]

        def draw(value: object) -> str:
            drawn.vars[name] = value
            return "".join(root(drawn)).strip()

        return draw

    def region(
        self, template: str, block: str, context: Mapping[str, object], put: Mapping[str, str] | None = None
    ) -> str:
        """One block of `template`, or of what all pages with a stream begin with; blocks inside it that are named in
        `put` are that text instead."""
        loaded = self._environment.get_template(template)
        if block not in loaded.blocks:
            loaded = self._environment.get_template(FRAME)
        drawn = loaded.new_context(dict(context))
        _put(drawn, put or {})
        return "".join(loaded.blocks[block](drawn)).strip()


def _assets(static: Path) -> Callable[[str], str]:
    """Where a static file is found: by its hashed name if it has one, else as it is called."""
    hashed = {name: f"vendor/{file}" for name, file in sheets.vendor(static).items()}
    hashed["shipboard.css"] = sheets.sheet(static).name
    return lambda name: f"/static/{hashed.get(name, name)}"


@lru_cache(64)
def _glyph(phase: str) -> Markup:
    """The glyph of a phase: no macro, since a board has a thousand."""
    return Markup('<svg class="glyph" aria-hidden="true"><use href="#g-{}"/></svg>').format(phase)


def _time(at: datetime, now: datetime, css: str = "", fine: bool = False) -> Markup:
    """An age that the browser keeps up."""
    known = f' class="{escape(css)}"' if css else ""
    kind = "=fine" if fine else ""
    # Its other parts are figures of ours.
    return Markup(f'<time datetime="{iso(at)}" data-ago{kind}{known}>{ago(at, now, fine)}</time>')  # noqa: S704


def _put(context: Context, put: Mapping[str, str]) -> None:
    for name, text in put.items():
        context.blocks[name] = [_fixed(text)]


def _fixed(text: str) -> Callable[[Context], Iterator[str]]:
    def block(_: Context) -> Iterator[str]:
        yield text

    return block


def safe_url(url: str) -> str:
    """`url` if a link to it is harmless, else "": absolute http or https, a plain ASCII host, no userinfo,
    nothing unprintable and no backslash (browsers read it as a slash)."""
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return ""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        return ""
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    plain = parts.scheme in ("http", "https") and "@" not in parts.netloc and _HOST.fullmatch(host)
    return url if plain else ""


def aged(html: str, now: datetime) -> str:
    """`html` with every age in it told as of `now`: what was drawn earlier must not look younger than it
    is."""

    def told(match: re.Match[str]) -> str:
        at = datetime.fromisoformat(match[2])
        return match[1] + (timer(at, now) if match[3] == "timer" else ago(at, now, match[3] == "ago=fine"))

    return _AGE.sub(told, html)
