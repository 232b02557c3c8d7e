"""SARIF 2.1 (OASIS), as linters and scanners write it.

The level of a result is its own, else its rule's, else "warning"; `security-severity` of the rule outranks it. A run
that failed, or that has no results at all, is a scan that did not work, which is not the same as no findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.domain.names import cut
from app.domain.reports import Finding, ScanReport, Severity
from app.domain.repositories import full_sha, repo_key

from ..hooks.tree import at, node, text
from .images import items
from .port import Format
from .reading import Document, Refused, seconds, words

_LEVELS = {
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "note": Severity.LOW,
    "none": Severity.INFO,
}
_MAX_TITLE = 300


class _Run:
    """One run of a tool, with its rules looked up as results name them."""

    def __init__(self, run: dict[str, Any]) -> None:
        self.run, self.driver = run, node(run, "tool", "driver")
        self.tool = text(self.driver, "name", limit=100) or "SARIF"
        self._rules = list(self._lists())
        self._named: dict[str, dict[str, Any]] = {}
        for rule in self._rules:
            if rule is not None and isinstance(name := rule.get("id"), str):
                self._named.setdefault(name, rule)

    def _lists(self) -> Iterator[dict[str, Any] | None]:
        rules = self.driver.get("rules")
        if isinstance(rules, list):
            yield from (rule if isinstance(rule, dict) else None for rule in rules)
        elif isinstance(rules, dict):
            yield from (rule if isinstance(rule, dict) else None for rule in rules.values())

    @property
    def failed(self) -> str:
        """Why the run does not count as a scan; empty when it does."""
        for invocation in items(self.run.get("invocations")):
            if invocation.get("executionSuccessful") is False:
                told = (at(n, "message", "text") for n in items(invocation.get("toolExecutionNotifications")))
                why = next((words(said, 200) for said in told if isinstance(said, str)), "")
                return f"{self.tool} says that it failed{': ' + why if why else ''}."
        if not isinstance(self.run.get("results"), list):
            return f"{self.tool} gives no list of results."
        return ""

    def rule(self, result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The rule's id and the rule that a result is of; an empty one where the file does not describe it."""
        name = text(result, "ruleId", limit=200) or text(result, "rule", "id", limit=200)
        index = result.get("ruleIndex", at(result, "rule", "index"))
        found = self._named.get(name or "") or self._named.get((name or "").rpartition("/")[0])
        if found is None and isinstance(index, int) and 0 <= index < len(self._rules):
            found = self._rules[index]
        found = found or {}
        return name or text(found, "id", limit=200) or "", found

    def finding(self, result: dict[str, Any]) -> Finding:
        """One result."""
        name, rule = self.rule(result)
        said = words(at(result, "message", "text") or at(result, "message", "markdown"), _MAX_TITLE)
        if not said and isinstance(key := at(result, "message", "id"), str):
            told = node(rule, "messageStrings", key) or node(self.driver, "globalMessageStrings", key)
            said = words(told.get("text"), _MAX_TITLE)
        title = said or words(at(rule, "shortDescription", "text") or rule.get("name"), _MAX_TITLE)
        return Finding(name, _severity(result, rule), _place(result), "", title)


def _severity(result: dict[str, Any], rule: dict[str, Any]) -> Severity:
    raw = at(result, "properties", "security-severity")
    rated = seconds(raw if raw is not None else at(rule, "properties", "security-severity"))
    if rated > 0:
        steps = ((9, Severity.CRITICAL), (7, Severity.HIGH), (4, Severity.MEDIUM), (0, Severity.LOW))
        return next(severity for least, severity in steps if rated >= least)
    level = result.get("level")
    if level is None:
        if result.get("kind", "fail") not in ("fail", None):
            return Severity.INFO
        level = at(rule, "defaultConfiguration", "level") or "warning"
    return _LEVELS.get(level, Severity.UNKNOWN) if isinstance(level, str) else Severity.UNKNOWN


def _place(result: dict[str, Any]) -> str:
    where = next(items(result.get("locations")), {})
    uri = text(where, "physicalLocation", "artifactLocation", "uri", limit=300)
    if uri is None:
        logical = next(items(where.get("logicalLocations")), {})
        return text(logical, "fullyQualifiedName") or text(logical, "name") or ""
    line = at(where, "physicalLocation", "region", "startLine")
    return f"{uri}:{line}" if isinstance(line, int) and not isinstance(line, bool) else uri


def _suppressed(result: dict[str, Any]) -> bool:
    """Accepted by somebody, or gone since the baseline."""
    if result.get("baselineState") == "absent":
        return True
    marks = list(items(result.get("suppressions")))
    return any(mark.get("status", "accepted") in ("accepted", None) for mark in marks)


def parse(document: Document) -> ScanReport:
    """What a SARIF file says. Raises Refused."""
    tree = document.tree
    version = at(tree, "version")
    if not isinstance(version, str) or not isinstance(tree, dict) or "runs" not in tree:
        raise Refused("It has no `version` and `runs`, so it is not SARIF.")
    if not version.startswith("2.1"):
        raise Refused(f"It is SARIF {cut(version, 20)}, and 2.1 is what is read here.")
    runs = [_Run(run) for run in items(tree["runs"])]
    findings: list[Finding] = []
    suppressed = 0
    for run in runs:
        for result in items(run.run.get("results")):
            if _suppressed(result):
                suppressed += 1
            else:
                findings.append(run.finding(result))
    failed = " ".join(dict.fromkeys(run.failed for run in runs if run.failed))
    if not runs:
        failed = "It holds no run of a tool."
    origin = next((one for run in runs for one in items(run.run.get("versionControlProvenance"))), {})
    first = runs[0].driver if runs else {}
    return ScanReport(
        cut(", ".join(dict.fromkeys(run.tool for run in runs)), 200) or "SARIF",
        text(first, "semanticVersion", limit=60) or text(first, "version", limit=60) or "",
        tuple(findings),
        suppressed,
        cut(failed),
        repo_key(text(origin, "repositoryUri") or ""),
        full_sha(origin.get("revisionId")) or "",
        text(origin, "branch") or "",
    )


def looks(document: Document) -> bool:
    """Whether it is SARIF."""
    tree = document.tree if document.is_json else None
    return isinstance(tree, dict) and "runs" in tree and isinstance(tree.get("version"), str)


FORMAT = Format("sarif", looks, parse)
