"""Text from outside is text in a real browser, whatever it is and wherever it is shown (SR-22).

Some four hundred payloads go round through every field that somebody outside can fill, onto every page, by page load
and by stream. Nothing of it may become an element, run, be asked for, or be complained about by the policy.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.domain.audit import Entry
from app.domain.facts import EventObserved, Fact, LogRead, SourceObserved, WorkloadObserved
from app.domain.freshness import Freshness
from app.domain.names import Place, WorkloadRef
from app.domain.revisions import Lane, Revision
from app.domain.rollout import (
    Caution,
    CautionKind,
    Check,
    Condition,
    Health,
    Phase,
    Pod,
    PodCondition,
    PodCounts,
    Problem,
    RolloutState,
    Step,
    StepState,
    Strategy,
    WaitKind,
    WaitsFor,
)
from app.ingest import Ingest
from app.live import Live
from app.store.audit import append
from app.store.db import Database
from tests.e2e.boards import Running
from tests.e2e.payloads import payloads
from tests.e2e.waiting import until

PAYLOADS = payloads()
WORKLOADS = 16
PHASES = (Phase.FAILED, Phase.PAUSED, Phase.PROGRESSING, Phase.IDLE)
WATCH = """
window.found = [];
document.addEventListener('securitypolicyviolation', e => window.found.push(`${e.violatedDirective}: ${e.sample}`));
for (const name of ['alert', 'confirm', 'prompt']) window[name] = x => window.found.push(`${name} ${x}`);
"""
INJECTED = """() => [...document.querySelectorAll('*')].filter(e =>
    e.hasAttribute('data-zz')
    || [...e.attributes].some(a => /^(on|hx-on|hx-vals)/.test(a.name))
    || [...e.attributes].some(a => /^(hx-|action$)/.test(a.name) && /zz|alert/.test(a.value)
        && !(a.name === 'hx-sse:connect'
            && new URL(a.value, location).searchParams.get('q')
                === new URL(location).searchParams.get('q')))
    || (e.tagName === 'SCRIPT' && !e.src) || ['IFRAME', 'OBJECT', 'BASE', 'VIDEO'].includes(e.tagName)
    || (e.hasAttribute('href') && !/^(https?:)?[/#?]/.test(e.getAttribute('href')))
).map(e => e.outerHTML.slice(0, 200))"""
SHAPE = """() => {
    const count = {};
    for (const e of document.querySelectorAll('*'))
        for (const a of e.attributes) if (a.name.startsWith('hx-')) count[a.name] = (count[a.name] || 0) + 1;
    return Object.keys(count).sort();
}"""


class Words:
    """Payloads one after the other, for ever; `used` says which were."""

    def __init__(self, plain: bool = False) -> None:
        self._all = itertools.cycle(["harmless"] if plain else PAYLOADS)
        self.used: set[str] = set()

    def __call__(self) -> str:
        self.used.add(word := next(self._all))
        return word

    def some(self, count: int) -> tuple[str, ...]:
        return tuple(self() for _ in range(count))


def hostile(number: int, say: Words, seen_at: datetime) -> list[Fact]:
    """A workload with every text in every field that comes from outside, its warnings, and the log of a crash."""
    at = seen_at - timedelta(minutes=5)
    ref = WorkloadRef("east", f"ns-{number}", "Deployment", f"w{number}")
    new, old = (
        Revision(f"{say()}{n}", n, say.some(2), say(), say(), at, (say(),), 3, 1, 1, say.some(1))
        for n in (2, 1)
    )
    pods = tuple(
        Pod(f"{say()}-{n}", new.key, True, condition, say(), say(), 3, say(), at)
        for n, condition in enumerate(PodCondition)
    )
    state = RolloutState(
        PHASES[number % 4],
        Health.DEGRADED,
        say(),
        Strategy.CANARY,
        new,
        old,
        (new, old),
        tuple(Step(say(), say(), s, 20, 60) for s in StepState),
        1,
        None,
        PodCounts(4, 2, 2, 2, 4),
        WaitsFor(WaitKind.PERSON, say(), None, at),
        40,
        True,
        pods,
        tuple(Problem("image", say(), say(), 2, at, say()) for _ in range(2)),
        at,
        None,
        tuple(Caution(kind, say(), 1, at, say.some(1), say()) for kind in CautionKind),
        tuple(Check(say(), phase, say(), say(), 1, 3, say()) for phase in ("failed", "running")),
        None,
        tuple(Condition(say(), "False", say(), say(), at, f"Pod/{say()}") for _ in range(3)),
        lanes=(Lane(say(), True, new.key, say(), 2, 2), Lane(say(), False, old.key, say(), 2, 2)),
        router=say(),
    )
    uid = f"u{number}"
    events = [
        EventObserved("east", f"e{number}-{n}", uid, True, f"Pod/{say()}", say(), say(), 2, at, at, seen_at)
        for n in range(4)
    ]
    place = Place(say(), ("staging", "production")[number % 2], say())
    log = LogRead("east", uid, say(), say(), "\n".join(say.some(4)), seen_at)
    return [WorkloadObserved(ref, uid, place, "deployment", state, seen_at), *events, log]


def facts(say: Words) -> list[Fact]:
    now = datetime.now(UTC)
    sources = [
        SourceObserved(
            "east", kind, ns, Freshness.LIVE, now, now, say(), 3, 1, 1, 0, 0, (f"ns/{say()}: {say()}",)
        )
        for kind in ("Deployment", "Pod", "ReplicaSet")
        for ns in ("", "ns-1")
    ]
    return [*sources, *(fact for n in range(WORKLOADS) for fact in hostile(n, say, now))]


@pytest.fixture(scope="module")
def said() -> Words:
    return Words()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, said: Words) -> Iterator[Running]:
    async def prepare(database: Database) -> None:
        await Ingest(database, Live())(facts(said))
        async with database.writing() as session:
            for word in PAYLOADS:
                texts = dict.fromkeys(("name", "object", "environment", "verb", "reason"), word)
                more = dict.fromkeys(("before", "after", "blocked_by", "request", "result"), word)
                await append(session, Entry(datetime.now(UTC), "refused", f"x|{word}", **texts, **more))

    found = Running(tmp_path_factory.mktemp("board"), prepare)
    yield found
    found.stop()


class Witness:
    """Whatever a page does that it should not."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.wrong: list[str] = []
        self._home = urlsplit(home).netloc
        context.add_init_script(WATCH)
        context.on("dialog", self._dialog)
        context.on("request", lambda request: self._asked(request.url))
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.wrong.append(f"error {error.error}"))

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str) -> None:
        if urlsplit(url).netloc != self._home or "/zz" in urlsplit(url).path:
            self.wrong.append(f"request {url}")

    def _said(self, kind: str, text: str) -> None:
        if kind == "error":
            self.wrong.append(f"console {text}")

    def look(self, page: Page) -> None:
        """Open all that can be opened, go over it, and see what came of it."""
        page.evaluate("""() => {
            for (const e of document.querySelectorAll('details')) e.open = true;
            for (const e of document.querySelectorAll('main *')) {
                e.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
                if (e.focus) e.focus({preventScroll: true});
            }
        }""")
        self.wrong += page.evaluate("window.found")
        self.wrong += page.evaluate(INJECTED)


@pytest.fixture
def witness(context: BrowserContext, running: Running) -> Iterator[Witness]:
    found = Witness(context, running.here.url)
    yield found
    assert found.wrong == []


def sign_in(page: Page, running: Running, who: str = "admin") -> None:
    page.goto(f"{running.here.url}/login")
    page.locator(f"main button[value={who}]").click()
    expect(page.locator(".who > button")).to_have_text(who.title())


def shown(page: Page) -> int:
    """How many payloads can be read on the page, as text or in an attribute that is text."""
    text = page.evaluate("""() => document.documentElement.textContent + [...document.querySelectorAll('*')]
        .flatMap(e => ['title', 'aria-label', 'value', 'data-version'].map(a => e.getAttribute(a) || '')).join(' ')""")
    return sum(1 for word in PAYLOADS if word[:40] in text)


def test_every_payload_goes_somewhere(running: Running, said: Words) -> None:
    assert len(PAYLOADS) >= 300
    assert said.used == set(PAYLOADS)


def test_the_witness_sees_what_it_looks_for(page: Page, context: BrowserContext, running: Running) -> None:
    seen = Witness(context, running.here.url)
    raw = "".join(PAYLOADS[:34])
    page.route("**/raw", lambda route: route.fulfill(content_type="text/html", body=f"<main>{raw}</main>"))
    page.goto(f"{running.here.url}/raw")
    seen.look(page)
    sorts = {line.partition(" ")[0] for line in seen.wrong}
    assert {"request", "alert"} <= sorts
    assert any(line.startswith("<") and "data-zz" in line for line in seen.wrong)


def test_board_sources_and_audit_show_text_as_text(page: Page, running: Running, witness: Witness) -> None:
    sign_in(page, running)
    for path, least in (
        ("/", WORKLOADS),
        ("/sources", 6),
        ("/audit", 50),
        (f"/?q={quote(PAYLOADS[30])}", 1),
        (f"/audit?who={quote(PAYLOADS[77])}&workload={quote(PAYLOADS[3])}", 1),
        (f"/login?next={quote(PAYLOADS[5])}", 0),
    ):
        answer = page.goto(running.here.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert shown(page) >= least, path
        witness.look(page)
    page.goto(f"{running.here.url}/audit")
    for _ in range(len(PAYLOADS) // 100):
        with page.expect_navigation():
            page.locator("a[rel=next]").click()
        assert shown(page) >= 40
        witness.look(page)


def test_workload_pages_show_text_as_text(page: Page, running: Running, witness: Witness) -> None:
    sign_in(page, running)
    total = 0
    for number in range(WORKLOADS):
        answer = page.goto(f"{running.here.url}/workloads/east/ns-{number}/Deployment/w{number}")
        assert answer is not None
        assert answer.status == 200
        total += shown(page)
        witness.look(page)
    assert total >= 20 * WORKLOADS


def test_what_a_stream_brings_is_text_too(page: Page, running: Running, witness: Witness) -> None:
    """By morphing and by insertion: rows change, and one comes."""
    sign_in(page, running)
    hub = running.here.app.state.hub
    for path in ("/", "/workloads/east/ns-1/Deployment/w1"):
        page.goto(running.here.url + path)
        until(page, "document.querySelector('[data-stream]')._htmx?.sse?.reader")
        before = page.evaluate(SHAPE)
        for turn in range(4):
            say = Words()
            say.some(97 * turn)
            marker = f"turn {turn} of {path}"
            found = hostile(1, say, datetime.now(UTC))
            new = hostile(100 + turn, say, datetime.now(UTC))
            watched = found[0]
            assert isinstance(watched, WorkloadObserved)
            told = WorkloadObserved(
                watched.ref,
                watched.uid,
                Place(marker, "production"),
                watched.engine,
                watched.state,
                watched.seen_at,
            )
            running.do(Ingest(running.here.keeper.database, hub._live)([told, *found[1:], *new]))
            expect(page.locator("main")).to_contain_text(marker)
            witness.look(page)
        assert page.evaluate(SHAPE) == before
