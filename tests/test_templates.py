"""Every page, drawn from fleets made by hand: well formed, nothing inline, safe from hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from app.domain.freshness import Freshness
from app.domain.rollout import Health, Phase, WaitKind, WaitsFor
from app.read.projection import BoardProjection
from app.read.query import BoardQuery
from app.read.sources import SourcesProjection
from app.web.pages import workload as workload_page
from tests import workloads
from tests.e2e import preview
from tests.fleets import CRASH, KINDS, NOW, StillFleet, live, source, state, workload

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{7*7}}"
VOID = {"meta", "link", "input", "br", "wbr", "hr", "img", "circle", "line", "path", "use", "rect"}


class Page(HTMLParser):
    """Tags, their attributes and whether they close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.titles = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.titles += tag == "title" and "head" in self.stack
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.stack.pop() == tag

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attrs for name, attrs in self.tags if name == tag)


@pytest.fixture(params=sorted(preview.PICTURES))
def drawn(request) -> Page:
    return Page(preview.PICTURES[request.param][0]())


def test_every_template_compiles():
    environment = preview.renderer()._environment
    assert [environment.get_template(name).name for name in environment.list_templates()]


def test_a_page_is_balanced_and_has_one_title_and_one_heading(drawn):
    assert drawn.stack == []
    assert drawn.titles == 1
    assert [sum(1 for _ in drawn.all(tag)) for tag in ("h1", "main")] == [1, 1]


def test_a_page_needs_no_inline_style_script_or_handler(drawn):
    assert not list(drawn.all("style"))
    assert all(attrs.get("src") for attrs in drawn.all("script"))
    for _, attrs in drawn.tags:
        assert not [name for name in attrs if name == "style" or name.startswith(("on", "hx-on"))]


def test_ids_are_unique_and_labels_point_at_something(drawn):
    ids = [attrs["id"] for _, attrs in drawn.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in drawn.tags:
        for name in ("aria-labelledby", "popovertarget", "for"):
            if target := attrs.get(name):
                assert target in ids


@pytest.mark.parametrize(
    ("template", "regions"),
    [
        ("board.html", ("sentence", "day", "waiting", "environments", "columns", "rows", "foot")),
        ("sources.html", ("sentence", "rows", "foot")),
        ("workload.html", workload_page.PAGE.regions),
    ],
)
def test_a_region_drawn_alone_is_one_element_with_its_name(template, regions):
    fleet = preview.busy()
    board = BoardProjection(fleet, BoardQuery(), NOW)
    sources = SourcesProjection(fleet, NOW)
    shown = workloads.page(workloads.stuck()).page
    context = preview.told("board", board.board, board.contacts)
    context |= {"sources": sources.sources, "shown": shown}
    for name in regions:
        text = preview.renderer().region(template, name, context)
        region = Page(text)
        assert region.tags[0][1].get("id") == name
        assert region.stack == []
        assert text.startswith(f"<{region.tags[0][0]}")
        assert text.endswith(f"</{region.tags[0][0]}>")


def test_a_row_drawn_alone_is_the_row_on_the_page():
    fleet = preview.busy()
    shown = BoardProjection(fleet, BoardQuery(), NOW).board
    text = preview.renderer().region("board.html", "row", {"board": shown, "row": shown.rows[0], "now": NOW})
    assert text.startswith('<tr id="s-payments-worker" data-rank="0-')
    assert text in preview.board(fleet)


def test_hostile_text_is_inert():
    what = state(
        EVIL,
        Phase.FAILED,
        Health.DEGRADED,
        message=EVIL,
        stable=EVIL,
        problems=(replace(CRASH, message=EVIL),),
    )
    waits = state(
        EVIL,
        Phase.AWAITING_APPROVAL,
        message=EVIL,
        waits_for=WaitsFor(WaitKind.PERSON, EVIL),
    )
    rows = [
        workload(EVIL, EVIL, what, team=EVIL, cluster=EVIL, name=EVIL, namespace=EVIL),
        workload(EVIL, what=waits),
    ]
    sources = [*live(), *live(EVIL), replace(source(EVIL, EVIL, EVIL, message=EVIL), unreadable=(EVIL,))]
    fleet = StillFleet(rows, sources)
    query = BoardQuery.parse([("q", EVIL), ("team", EVIL)])
    shown = BoardProjection(fleet, query, NOW)
    narrowed = preview.renderer().page(
        "board.html", preview.told("board", shown.board, shown.contacts, f"/?{query.query_string()}")
    )
    for text in (preview.board(fleet), preview.sources(fleet), preview.error(404, EVIL, EVIL), narrowed):
        page = Page(text)
        assert "alert(1)" in text
        assert not list(page.all("img"))
        assert all(attrs.get("src") for attrs in page.all("script"))
        assert not [name for _, attrs in page.tags for name in attrs if name == "onerror"]
        assert "49" not in text.replace(EVIL, "")


def test_only_what_is_good_is_drawn_as_healthy():
    text = preview.board(
        StillFleet([workload("s")], [source(kind=k, freshness=Freshness.STALE) for k in KINDS])
    )
    row = text[text.index('<tr id="s-s"') : text.index("</tbody>")]
    assert 'data-phase="unknown"' in row
    assert "healthy" not in row
