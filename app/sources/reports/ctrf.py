"""CTRF: Common Test Report Format, JSON (ctrf.io). `environment.commit` tells the commit by itself."""

from __future__ import annotations

from typing import Any

from app.domain.names import cut
from app.domain.reports import BAD, Case, CaseResult, TestReport
from app.domain.repositories import full_sha, repo_key

from ..hooks.tree import at, node, text
from .port import Format
from .reading import MAX_CASES, Document, Refused, seconds, words

_RESULTS = {
    "passed": CaseResult.PASSED,
    "failed": CaseResult.FAILED,
    "skipped": CaseResult.SKIPPED,
    "pending": CaseResult.SKIPPED,
    "other": CaseResult.ERROR,
}


def parse(document: Document) -> TestReport:
    """What a CTRF file says. Raises Refused."""
    results = node(document.tree, "results")
    tests = results.get("tests")
    if not isinstance(tests, list):
        raise Refused("It has no list `results.tests`, so it is not CTRF.")
    if len(tests) > MAX_CASES:
        raise Refused(f"It holds more than {MAX_CASES} test cases.")
    cases = tuple(_case(test, place) for place, test in enumerate(tests))
    where = node(results, "environment")
    return TestReport(
        text(results, "tool", "name", limit=100) or "CTRF",
        cases,
        sum(seconds(at(test, "duration")) for test in tests) / 1000,
        repo_key(text(where, "repositoryUrl") or ""),
        full_sha(where.get("commit")) or "",
        text(where, "branchName") or "",
    )


def _case(test: Any, place: int) -> Case:
    word = at(test, "status")
    result = _RESULTS.get(word) if isinstance(word, str) else None
    name = text(test, "name")
    if result is None or name is None:
        raise Refused(f"Test {place + 1} has no name, or no status that CTRF knows.")
    suite = at(test, "suite")
    path = [part for part in suite if isinstance(part, str)] if isinstance(suite, list) else []
    path = [suite] if isinstance(suite, str) else path
    where = " › ".join(path) or text(test, "filePath") or ""
    message = ""
    if result in BAD:
        message = words(at(test, "message")) or words(at(test, "trace"))
    flaky = result is CaseResult.PASSED and at(test, "flaky") is True
    return Case(cut(where, 600), name, result, message, flaky)


def looks(document: Document) -> bool:
    """Whether it is CTRF."""
    tree = document.tree if document.is_json else None
    return at(tree, "reportFormat") == "CTRF" or (
        isinstance(at(tree, "results", "tests"), list) and isinstance(at(tree, "results", "tool"), dict)
    )


FORMAT = Format("ctrf", looks, parse)
