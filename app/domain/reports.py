"""What reports uploaded by CI say: results of tests, findings of scans, contents of bills of materials. Pure.

A report has no name of its own: it is known by what it is about (`ReportSubject`), its kind and the SHA-256 of its
bytes, so the same upload is the same report however often it comes. Numbers are counted from the items, never
taken from a file's own totals, which lie.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from .artifacts import Alias, Link
from .ci import ident
from .packages import Package

MAX_KEPT = 500
"""Cases and findings of one report that are kept with their texts, the worst first; all of them are counted."""


class CaseResult(StrEnum):
    """How a test case ended. ERROR is a test that could not be carried out."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


BAD = frozenset({CaseResult.FAILED, CaseResult.ERROR})


class Severity(StrEnum):
    """How bad a finding is, worst first. UNKNOWN is what its tool did not rate, INFO no weakness at all."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"
    INFO = "info"


RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class ReportSubject:
    """What a report is about, as its sender says: repository key, whole commit id, image digest, branch, and the
    name of the job that made it; empty where it does not say. A commit or a digest is always there."""

    repo: str = ""
    sha: str = ""
    digest: str = ""
    job: str = ""
    branch: str = ""

    def or_else(self, repo: str = "", sha: str = "", digest: str = "", branch: str = "") -> ReportSubject:
        """This, with what it leaves open filled in by what the report itself says."""
        return ReportSubject(
            self.repo or repo, self.sha or sha, self.digest or digest, self.job, self.branch or branch
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One test case. `suite` is the path of its suites and its class, `name` its own; `flaky`: it failed, was
    tried again and passed."""

    suite: str
    name: str
    result: CaseResult
    message: str = ""
    flaky: bool = False


@dataclass(frozen=True, slots=True)
class TestReport:
    """Results of one run of tests, in the order of the file; `seconds` is what the cases took together."""

    __test__: ClassVar[bool] = False
    tool: str = ""
    cases: tuple[Case, ...] = ()
    seconds: float = 0.0
    repo: str = ""
    sha: str = ""
    branch: str = ""

    def count(self, result: CaseResult) -> int:
        """How many cases ended so."""
        return sum(case.result is result for case in self.cases)

    @property
    def identities(self) -> tuple[str, ...]:
        """An id for each case: of suite and name, and of its ordinal among those of the same name, since
        parametrised tests may share one."""
        seen: dict[tuple[str, str], int] = {}
        found: list[str] = []
        for case in self.cases:
            name = (case.suite, case.name)
            seen[name] = seen.get(name, 0) + 1
            text = "\x1f".join((*name, str(seen[name])))
            found.append(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16])
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: the rule or advisory (`rule`), where it is (`place`: a package with its version, or a file with
    its line), what mends it (`fixed_in`: a version), and what its tool says."""

    rule: str
    severity: Severity
    place: str = ""
    fixed_in: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """What a report says of the image it looked at: names of its bytes, and what its labels link it to."""

    digest: str = ""
    tags: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class ScanReport:
    """Findings of one scan. `suppressed` counts those that somebody accepted; they are not in `findings`.
    `failed` says why the scan itself did not work, which is not the same as no findings."""

    tool: str = ""
    version: str = ""
    findings: tuple[Finding, ...] = ()
    suppressed: int = 0
    failed: str = ""
    repo: str = ""
    sha: str = ""
    branch: str = ""
    image: Image = Image()

    def count(self, severity: Severity) -> int:
        """How many findings are that bad."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def fixable(self) -> int:
        """How many findings have a version that mends them."""
        return sum(bool(finding.fixed_in) for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill of materials: which format, what it is about, how many components it names, files among them. `packages`
    are those that are kept of it, `left_out` is how many more it lists."""

    format: str
    subject: str = ""
    components: int = 0
    findings: tuple[Finding, ...] = ()
    suppressed: int = 0
    repo: str = ""
    sha: str = ""
    branch: str = ""
    image: Image = Image()
    packages: tuple[Package, ...] = ()
    left_out: int = 0


class Verification(StrEnum):
    """What a signature is worth. Only VERIFIED may ever be shown as signed."""

    CLAIMED = "claimed"
    VERIFIED = "verified"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signature or provenance of artifacts. `subjects` are digests; `predicate` is the statement's type, empty
    for a bare signature; `identity` and `issuer` are whom the certificate names, `reason` is why it is not
    verified, or empty."""

    subjects: tuple[str, ...]
    proof: Verification
    predicate: str = ""
    builder: str = ""
    identity: str = ""
    issuer: str = ""
    repo: str = ""
    sha: str = ""
    branch: str = ""
    signed_at: datetime | None = None
    reason: str = ""
    image: Image = Image()


Contents = TestReport | ScanReport | Bill | Attestation


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload: who sent it (`by`, an identity), the sender's key of it (empty without one), and `refused`, why it
    was not read (empty: it was)."""

    target: ReportSubject
    kind: str
    sha256: str
    bytes: int
    by: str
    key: str
    received_at: datetime
    refused: str = ""

    @property
    def id(self) -> str:
        """The report's id."""
        about = self.target
        return ident("report", about.repo, about.sha, about.digest, about.job, self.kind, self.sha256)


@dataclass(frozen=True, slots=True)
class Reported:
    """A fact: a report came. `contents` is None for one that was refused."""

    upload: Upload
    contents: Contents | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What other reports said of cases, by identity: the ones that failed and the ones that passed."""

    failed: Collection[str] = field(default_factory=frozenset)
    passed: Collection[str] = field(default_factory=frozenset)


def flaky(identity: str, result: CaseResult, retried: bool, same_commit: Past) -> bool:
    """Whether a case had both outcomes on one commit: within its report (`retried`), or over all reports of it."""
    if result in BAD and identity in same_commit.passed:
        return True
    return retried or (result is CaseResult.PASSED and identity in same_commit.failed)


def known(identity: str, before: Past | None) -> bool | None:
    """Whether a failing case failed before as well; None when there is no report to compare with."""
    return None if before is None else identity in before.failed


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by severity; of one severity, those that can be mended first."""
    return sorted(findings, key=lambda f: (RANK[f.severity], not f.fixed_in, f.rule, f.place))
