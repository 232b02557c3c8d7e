"""JUnit XML, for which there is no standard: surefire, pytest, gotestsum, nextest, jest, phpunit and others.

Cases are counted, totals in attributes are not believed. A case is the first of error, failure and skipped; a
`flakyFailure` or `flakyError` (surefire, nextest) is a case that failed, was tried again and passed.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.names import cut
from app.domain.reports import BAD, Case, CaseResult, TestReport

from .port import Format
from .reading import MAX_CASES, MAX_MESSAGE, Document, Refused, seconds, words

_RESULTS = {"error": CaseResult.ERROR, "failure": CaseResult.FAILED, "skipped": CaseResult.SKIPPED}
_WEIGHT = {CaseResult.ERROR: 0, CaseResult.FAILED: 1, CaseResult.SKIPPED: 2, CaseResult.PASSED: 3}
_RETRIED = frozenset({"flakyFailure", "flakyError"})
_ROOTS = frozenset({"testsuites", "testsuite"})
_SKIP_WORDS = frozenset({"notrun", "disabled", "ignored", "suppressed"})
_OF_SUITE = frozenset({"error", "failure"})
_ITSELF = "the suite itself"
_MAX_NAME = 300


class _Cases:
    """Gathers cases while the document is told."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.seconds = 0.0
        self.tool = ""
        self._path: list[str] = []
        self._open: list[str] = []
        self._case: tuple[str, str] | None = None
        self._result = CaseResult.PASSED
        self._message = ""
        self._retried = False
        self._text: list[str] | None = None
        self._length = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if not self._open and name not in _ROOTS:
            raise Refused(f"Its root is <{cut(name, 60)}>, and JUnit's is <testsuites> or <testsuite>.")
        self._open.append(name)
        if self._case is None:
            if name == "testsuite":
                self._path.append(cut(attributes.get("name", "").strip(), _MAX_NAME))
            elif name == "testcase":
                self._begin(attributes)
            elif name in _OF_SUITE and len(self._open) > 1 and self._open[-2] == "testsuite":
                self._begin({"name": _ITSELF})  # a suite that broke before or after its cases
                self._outcome(name, attributes)
        elif self._open[-2] == "testcase":
            self._outcome(name, attributes)

    def _begin(self, attributes: Mapping[str, str]) -> None:
        if len(self.cases) >= MAX_CASES:
            raise Refused(f"It holds more than {MAX_CASES} test cases.")
        own = attributes.get("classname") or attributes.get("class") or ""
        self._case = (suite_of(self._path, cut(own, _MAX_NAME)), cut(attributes.get("name", ""), _MAX_NAME))
        self._result, self._message, self._retried = CaseResult.PASSED, "", False
        if attributes.get("status", "").lower() in _SKIP_WORDS:
            self._result = CaseResult.SKIPPED
        self.seconds += seconds(attributes.get("time"))

    def _outcome(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in _RETRIED:
            self._retried = True
        result = _RESULTS.get(name)
        if result is None or _WEIGHT[result] >= _WEIGHT[self._result]:
            return
        self._result = result
        self._message = words(attributes.get("message") or attributes.get("type"))
        self._text, self._length = [], 0

    def end(self, name: str) -> None:
        """An element ends."""
        self._open.pop()
        above = self._open[-1] if self._open else ""
        if self._case is not None and self._text is not None and above in ("testcase", "testsuite"):
            told = words("".join(self._text))
            # Where the message is only the text's beginning, or there is none, the text says more.
            self._message = told if self._message in told[: MAX_MESSAGE - 1] else self._message
            self._text = None
        itself = name in _OF_SUITE and above == "testsuite"
        if self._case is not None and (itself or (name == "testcase" and "testcase" not in self._open)):
            suite, own = self._case
            retried = self._retried and self._result is CaseResult.PASSED
            message = self._message if self._result in BAD else ""
            self.cases.append(Case(suite, own, self._result, message, retried))
            self._case = None
        elif name == "testsuite" and self._case is None and self._path:
            self._path.pop()

    def text(self, text: str) -> None:
        """Text within an element."""
        if self._text is not None and self._length < MAX_MESSAGE * 2:
            self._text.append(text[: MAX_MESSAGE * 2])
            self._length += len(text)


def suite_of(path: list[str], own: str = "") -> str:
    """One name for where a case stands: the suites around it, and its class unless they say it already."""
    names = list(dict.fromkeys(name for name in path if name))
    if own and names and own.startswith(names[-1]):
        names.pop()
    return cut(" › ".join([*names, own] if own and own not in names else names), 2 * _MAX_NAME)


def retried(cases: list[Case]) -> tuple[Case, ...]:
    """`cases`, those marked as flaky that passed after failing under the same name in the same report."""
    failed: set[tuple[str, str]] = set()
    found: list[Case] = []
    for case in cases:
        name = (case.suite, case.name)
        if case.result in BAD:
            failed.add(name)
        elif case.result is CaseResult.PASSED and name in failed and not case.flaky:
            case = Case(case.suite, case.name, case.result, case.message, True)
        found.append(case)
    return tuple(found)


def parse(document: Document) -> TestReport:
    """What a JUnit file says. Raises Refused."""
    if not document.is_xml:
        raise Refused("It is not XML.")
    found = _Cases()
    document.walk(found)
    return TestReport("JUnit", retried(found.cases), found.seconds)


def looks(document: Document) -> bool:
    """Whether it may be JUnit: XML with one of its roots in sight."""
    return document.is_xml and ("<testsuite" in document.head)


FORMAT = Format("junit", looks, parse)
