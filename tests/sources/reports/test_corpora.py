"""Reports from public repositories, outside this tree: each is read or refused with a reason, and counts agree with
what the files, or another reader of them, say.

Looked for in $SHIPBOARD_CORPORA, else in ../shared/corpora beside the repository; skipped where there are none.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.domain.reports import Attestation, Bill, CaseResult, Contents, ScanReport, Severity, TestReport
from app.sources import reports

_REPOSITORY = Path(__file__).parents[3]
CORPORA = Path(os.environ.get("SHIPBOARD_CORPORA") or _REPOSITORY / ".." / "shared" / "corpora")
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora here")
FOLDERS = {
    # kind → folder, type of what is read, and the least share of files that are whole reports of the kind
    "junit": ("junit", TestReport, 0.9),
    "tap": ("tap", TestReport, 0.9),
    "ctrf": ("ctrf", TestReport, 0.5),
    "sarif": ("sarif", ScanReport, 0.9),
    "trivy": ("trivy", ScanReport, 1.0),
    "grype": ("grype", ScanReport, 1.0),
    "cyclonedx": ("cyclonedx", Bill, 0.95),
    "spdx": ("spdx", Bill, 0.7),
    "attestation": ("sigstore-bundle", Attestation, 0.3),
}


def files(folder: str) -> Iterator[Path]:
    yield from sorted(path for path in (CORPORA / folder).rglob("*") if path.is_file())


def tried(kind: str, body: bytes) -> tuple[Contents | None, str]:
    """What it says, or why it is refused."""
    try:
        return reports.read(kind, body)[1], "It was read."
    except reports.Refused as refused:
        return None, str(refused)


@pytest.mark.parametrize("kind", FOLDERS)
def test_file_is_read_or_refused_with_a_reason_by_whichever_kind(kind):
    folder, model, least = FOLDERS[kind]
    taken, total = 0, 0
    for path in files(folder):
        body, total = path.read_bytes(), total + 1
        for asked in (*reports.FORMATS, reports.AUTO):
            contents, why = tried(asked, body)
            assert re.fullmatch(r"[A-Z'][^\x00-\x1f]{10,400}\.", why), (path, why)
            if asked == kind and contents is not None:
                taken += 1
                assert isinstance(contents, model)
                assert reports.read(reports.AUTO, body)[0] == kind, path
    assert taken >= least * total > 0


@pytest.mark.parametrize("kind", ["junit", "sarif", "trivy", "cyclonedx"])
def test_half_of_a_file_is_refused(kind):
    for path in list(files(FOLDERS[kind][0]))[:40]:
        body = path.read_bytes()
        half = body[: len(body) * 2 // 3].rstrip()
        try:
            reports.read(kind, body)
        except reports.Refused:
            continue
        if len(body) > 200:
            with pytest.raises(reports.Refused):
                reports.read(kind, half)


def test_junit_agrees_with_another_reader():
    words = {"success": "passed", "failure": "failed", "error": "error", "skipped": "skipped"}
    compared = 0
    root = CORPORA / "junit-expected"
    for path in files("junit-expected"):
        said = path.read_text()
        report = CORPORA / "junit" / path.relative_to(root).with_suffix(".xml")
        if not report.exists():
            continue
        want = Counter(words[word] for word in re.findall(r"^      result='(\w+)',", said, re.MULTILINE))
        _, found = reports.read("junit", report.read_bytes())
        assert isinstance(found, TestReport)
        assert Counter(str(case.result) for case in found.cases) == want, path
        names = re.findall(r"^      test_name='(.*)',", said, re.MULTILINE)
        assert [case.name for case in found.cases][: len(names)] == names or not names
        compared += 1
    assert compared >= 8


def test_junit_agrees_with_totals_of_tools_that_tell_the_truth():
    agreed = 0
    for path in files("junit"):
        try:
            _, found = reports.read("junit", path.read_bytes())
        except reports.Refused:
            continue
        assert isinstance(found, TestReport)
        root = ElementTree.fromstring(path.read_bytes())
        suites = [root] if root.tag == "testsuite" else [one for one in root if one.tag == "testsuite"]
        told = [int(one.get("tests", -1)) for one in ([root] if root.get("tests") else suites)]
        agreed += sum(told) == len(found.cases)
    assert agreed >= 60


def test_ctrf_agrees_with_its_summary():
    compared = 0
    for path in files("ctrf"):
        tree = json.loads(path.read_bytes())
        if not isinstance(tree.get("results"), dict) or "summary" not in tree["results"]:
            continue
        try:
            _, found = reports.read("ctrf", path.read_bytes())
        except reports.Refused:
            continue
        assert isinstance(found, TestReport)
        said = tree["results"]["summary"]
        assert found.count(CaseResult.PASSED) == said["passed"], path
        assert found.count(CaseResult.FAILED) == said["failed"], path
        assert found.count(CaseResult.SKIPPED) == said["skipped"] + said["pending"], path
        compared += 1
    assert compared >= 2


def test_trivy_counts_every_vulnerability_and_the_operators_summary_agrees():
    counted = 0
    for path in files("trivy"):
        tree = json.loads(path.read_bytes())
        _, found = reports.read("trivy", path.read_bytes())
        assert isinstance(found, ScanReport)
        want = Counter(
            str(item.get("Severity", "UNKNOWN")).lower()
            for result in (tree.get("Results") or [])
            for item in (*(result.get("Vulnerabilities") or []), *(result.get("Secrets") or []))
        )
        for severity in (Severity.CRITICAL, Severity.HIGH):
            assert found.count(severity) >= want[severity.value], path
        counted += sum(want.values())
    assert counted > 80
    for path in files("trivy-operator"):
        tree = json.loads(path.read_bytes())
        if not isinstance(tree, dict) or tree.get("kind") != "VulnerabilityReport":
            continue
        _, found = reports.read("trivy", path.read_bytes())
        assert isinstance(found, ScanReport)
        assert found.count(Severity.CRITICAL) == tree["report"]["summary"]["criticalCount"], path


def test_cyclonedx_counts_all_components():
    def components(found) -> int:
        return sum(1 + components(one.get("components", [])) for one in found)

    counted = 0
    for path in files("cyclonedx"):
        try:
            tree = json.loads(path.read_bytes())
            _, found = reports.read("cyclonedx", path.read_bytes())
        except (ValueError, reports.Refused):
            continue
        assert isinstance(found, Bill)
        assert found.components == components(tree.get("components", [])), path
        assert len(found.findings) + found.suppressed == len(tree.get("vulnerabilities", [])), path
        counted += found.components
    assert counted > 1000
