"""TAP, versions 12 to 14 (testanything.org), with subtests by indentation.

Of a test with subtests the leaves are counted, and the line that sums them up only where it says otherwise. Tests
that were planned and never reported count as errors, a bail-out is one too; a failing TODO is no failure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from app.domain.names import cut
from app.domain.reports import BAD, Case, CaseResult, TestReport

from .port import Format
from .reading import MAX_CASES, MAX_NODES, Document, Refused, seconds, words

_POINT = re.compile(r"(not )?ok\b(?:[ \t]+(\d+)(?![\w.]))?(?:[ \t]+-)?[ \t]*(.*)")
_PLAN = re.compile(r"(\d{1,9})\.\.(\d{1,9})[ \t]*(?:#[ \t]*(.*))?(?:todo[ \t]+([\d \t]{1,2000});?)?")
_DIRECTIVE = re.compile(r"(?<!\\)(?:^|\s)#[ \t]*(skip\w*|todo)\b:?[ \t]*(.*)$", re.IGNORECASE)
_TIME = re.compile(r"(?:^|\s)#[ \t]*time=([0-9.]{1,15})(m?s)")
_BAIL = re.compile(r"\s*Bail out!\s*(.*)", re.IGNORECASE)
_STEP = 4


@dataclass(slots=True)
class _Level:
    """A stream of points at one indentation. `mark` is how many cases there were when it began."""

    indent: int
    mark: int
    name: str = ""
    plan: int | None = None
    todo: frozenset[int] = frozenset()
    points: int = 0
    last: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Reader:
    cases: list[Case] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=lambda: [_Level(0, 0)])
    seconds: float = 0.0
    seen: bool = False
    bailed: bool = False
    comment: str = ""
    block: int | None = None
    closed: _Level | None = None
    lines: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        for line in text.splitlines():
            indent = len(line) - len(line.lstrip(" "))
            said = line.strip()
            if self.block is not None:
                self._diagnostic(said, indent, line)
            elif bail := _BAIL.fullmatch(line):
                self.seen = self.bailed = True
                self._add(Case(self._suite(), "Bail out!", CaseResult.ERROR, words(bail[1])))
                return
            elif said:
                self._line(line, said, indent)
        if not self.seen:
            raise Refused("It holds no plan and no test, so it is not TAP.")
        while len(self.levels) > 1:
            self._close(self.levels.pop())
        self._missing(self.levels[0])

    def _diagnostic(self, said: str, indent: int, line: str) -> None:
        if said == "..." and indent <= (self.block or 0):
            self.block = None
            self._explain(words("\n".join(self.lines)))
        elif len(self.lines) < 60:
            self.lines.append(line[self.block :])

    def _explain(self, message: str) -> None:
        """Give the last case what its diagnostics say."""
        last = self.cases[-1] if self.cases else None
        if last is not None and last.result in BAD and not last.message and message:
            self.cases[-1] = Case(last.suite, last.name, last.result, message)

    def _line(self, line: str, said: str, indent: int) -> None:
        if said == "---":
            self.block, self.lines = indent, []
            return
        if said.startswith("#"):
            head, _, name = said.lstrip("# ").partition(":")
            self.comment = name.strip() if head == "Subtest" else self.comment
            return
        if said == "}" and len(self.levels) > 1:
            self.closed = self.levels.pop()
            self._close(self.closed)
            return
        point, plan = _POINT.fullmatch(said), _PLAN.fullmatch(said)
        if (point is None and plan is None) or indent % _STEP:
            return  # anything else is noise, which TAP allows
        self._enter(indent)
        self.seen = True
        if plan is not None:
            self._plan(plan)
        elif point is not None:
            self._point(point, indent)

    def _enter(self, indent: int) -> None:
        """Make the level of `indent` the current one."""
        self.closed = None if indent >= self.levels[-1].indent else self.closed
        while self.levels[-1].indent > indent:
            self.closed = self.levels.pop()
            self._close(self.closed)
        if indent > self.levels[-1].indent:
            if len(self.levels) > 60:
                raise Refused("Its subtests are nested deeper than 60 levels.")
            self.levels.append(_Level(indent, len(self.cases), self.comment))
        self.comment = ""

    def _plan(self, plan: re.Match[str]) -> None:
        level = self.levels[-1]
        if level.plan is not None:
            raise Refused("It has two plans at one level.")
        level.plan = max(int(plan[2]) - int(plan[1]) + 1, 0)
        level.todo = frozenset(int(number[:9]) for number in (plan[4] or "").split())
        if level.plan > MAX_CASES:
            raise Refused(f"It plans more than {MAX_CASES} tests.")
        if level.plan == 0 and plan[3] and level.indent == 0 and not level.points:
            name = re.sub(r"(?i)^skip\w*:?\s*", "", plan[3]) or "all"
            self._add(Case("", cut(name, 300), CaseResult.SKIPPED))

    def _point(self, point: re.Match[str], indent: int) -> None:
        level, inner = self.levels[-1], self.closed
        self.closed = None
        level.points += 1
        level.last = int(point[2]) if point[2] and len(point[2]) < 9 else level.last + 1
        text = point[3]
        if timed := _TIME.search(text):
            text = text[: timed.start()]
            if indent == 0:
                self.seconds += seconds(timed[1]) / (1000 if timed[2] == "ms" else 1)
        opens = text.rstrip().endswith("{")
        text = text.rstrip().removesuffix("{") if opens else text
        result, bad = CaseResult.PASSED, bool(point[1])
        if directive := _DIRECTIVE.search(text):
            text, skips = text[: directive.start()], directive[1].lower().startswith("skip")
            result = CaseResult.SKIPPED if skips or bad else CaseResult.PASSED
            bad = False
        elif bad and level.last in level.todo:
            result, bad = CaseResult.SKIPPED, False
        elif bad:
            result = CaseResult.FAILED
        level.failed += bad
        name = cut(text.strip() or f"test {level.last}", 300)
        if opens:
            self.levels.append(_Level(indent + _STEP, len(self.cases), name, failed=int(bad)))
            return
        if inner is not None and len(self.cases) > inner.mark:
            failed = any(case.result in BAD for case in self.cases[inner.mark :])
            self.cases[inner.mark :] = [
                Case(_under(name, case.suite, self._suite()), case.name, case.result, case.message)
                for case in self.cases[inner.mark :]
            ]
            if not bad or failed:
                return  # it only sums up what was counted
        self._add(Case(self._suite(), name, result))

    def _suite(self) -> str:
        return cut(" › ".join(level.name for level in self.levels if level.name), 600)

    def _add(self, case: Case) -> None:
        if len(self.cases) >= MAX_CASES:
            raise Refused(f"It holds more than {MAX_CASES} test cases.")
        self.cases.append(case)

    def _close(self, level: _Level) -> None:
        if level.plan is not None:
            self._missing(level)

    def _missing(self, level: _Level) -> None:
        if level.plan is None:
            raise Refused("It has no plan (1..N), so it may be half of a report.")
        lacking = level.plan - level.points
        if lacking > 0 and not self.bailed:
            for number in range(level.points + 1, level.plan + 1):
                why = "It was planned and never reported."
                self._add(Case(cut(level.name, 300), f"test {number}", CaseResult.ERROR, why))
        elif lacking < 0 and level.plan:
            why = f"{level.plan} were planned and {level.points} reported."
            self._add(Case(cut(level.name, 300), "plan", CaseResult.ERROR, why))


def _under(name: str, suite: str, above: str) -> str:
    """The suite of a leaf, once the name of the test around it is known."""
    inner = suite.removeprefix(above).removeprefix(" › ") if above else suite
    return suite if inner.startswith(name) else cut(" › ".join(p for p in (above, name, inner) if p), 600)


def parse(document: Document) -> TestReport:
    """What a TAP stream says. Raises Refused."""
    reader = _Reader()
    text = document.text
    if "\x00" in text[:4096]:
        raise Refused("It is not text.")
    if text.count("\n") > MAX_NODES:
        raise Refused(f"It has more than {MAX_NODES} lines.")
    reader.read(text)
    return TestReport("TAP", tuple(reader.cases), reader.seconds)


def looks(document: Document) -> bool:
    """Whether it may be TAP: one of its first lines is a version, a plan or a test."""
    lines = document.head.splitlines()[:40]
    return any(re.match(r"\s*(TAP version \d|\d+\.\.\d+|(not )?ok\b|Bail out!)", line) for line in lines)


FORMAT = Format("tap", looks, parse)
