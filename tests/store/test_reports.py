"""Reports become rows once, on both databases; failures are new or known, flaky ones are found in any order."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.artifacts import Alias, AliasKind, Link, Trust
from app.domain.ci import ArtifactSeen, CiOutcome, CiPhase, RunSeen, Status
from app.domain.converge import mark
from app.domain.names import Topic
from app.domain.reports import (
    Attestation,
    Case,
    CaseResult,
    Contents,
    Finding,
    Image,
    Reported,
    ReportSubject,
    ScanReport,
    Severity,
    TestReport,
    Upload,
    Verification,
)
from app.read.flags import known
from app.read.reports import lines, shown
from app.store.db import Database
from app.store.ledger import Ledger
from app.store.report_tables import CASE, LINK, REPORT, TAG, TESTS
from app.store.retention import prune
from tests.databases import fresh
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
BEGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)
REPO = "github.com/acme/cart"
OLD, NEW = "a" * 40, "b" * 40
DIGEST, CONFIG = "sha256:" + "d" * 64, "sha256:" + "c" * 64


def cases(**told: str) -> TestReport:
    return TestReport("JUnit", tuple(Case("s", name, CaseResult(word), word) for name, word in told.items()))


def upload(contents: Contents | None, sha: str = NEW, minute: int = 0, **more: str) -> Reported:
    about = {"repo": REPO, "sha": sha, "job": "unit"} | {k: v for k, v in more.items() if k != "refused"}
    digest = hashlib.sha256(repr((contents, minute)).encode()).hexdigest()
    return Reported(
        Upload(
            ReportSubject(**about),
            "junit",
            digest,
            9,
            "issuer|ci",
            "",
            BEGIN + timedelta(minutes=minute),
            more.get("refused", ""),
        ),
        contents,
    )


async def record(database: Database, *facts) -> frozenset[Topic]:
    async with database.writing() as session:
        return await Ledger().record(session, facts)


async def rows(database: Database, table) -> list:
    async with database.reading() as connection:
        return list(await connection.execute(select(table)))


async def test_report_is_recorded_once_and_names_what_it_changes(database_url):
    run = RunSeen(
        provider="github",
        host="github.com",
        project="1",
        run="7",
        attempt=1,
        repo=REPO,
        sha=NEW,
        branch="main",
        mark=mark(2, BEGIN),
        status=Status(CiPhase.DONE, CiOutcome.SUCCESS),
    )
    fact = upload(cases(a="passed", b="failed"))
    async with opened(database_url) as database:
        await record(database, run)
        topics = await record(database, fact)
        assert topics == {Topic("report", fact.upload.id), Topic("commit", NEW), Topic("run", run.key)}
        assert await record(database, fact) == frozenset()
        (row,) = await rows(database, REPORT)
        assert (row.state, row.branch) == ("taken", "main")
        (counts,) = await rows(database, TESTS)
        assert (counts.passed, counts.failed, counts.fresh, counts.compared) == (1, 1, 0, None)


async def test_failure_is_known_when_the_default_branch_had_it_too(database_url):
    async with opened(database_url) as database:
        await record(database, upload(cases(a="passed", b="failed"), OLD, 0, branch="main"))
        await record(database, upload(cases(a="failed", b="passed"), "c" * 40, 1, branch="topic"))
        await record(database, upload(cases(a="failed", b="error", c="failed"), minute=2, branch="mine"))
        async with database.reading() as connection:
            (line, *_) = await lines(connection, sha=NEW)
            found = await shown(connection, line.id)
    assert found is not None
    assert line.tests is not None
    assert (line.tests.compared, line.tests.new) == (OLD, 2)
    assert [(case.name, case.known, case.message) for case in found.cases] == [
        ("a", False, "failed"),
        ("c", False, "failed"),
        ("b", True, "error"),
    ]


async def test_failure_is_compared_with_the_report_before_where_no_default_branch_is(database_url):
    async with opened(database_url) as database:
        await record(database, upload(cases(a="failed"), OLD, 0, branch="topic"))
        await record(database, upload(cases(a="failed"), minute=1, branch="topic"))
        await record(database, upload(cases(a="failed"), minute=2, job="e2e"))
        found = await rows(database, TESTS)
    assert sorted((row.compared or "", row.fresh) for row in found) == [("", 0), ("", 0), (OLD, 0)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_flaky_failures_are_found_whatever_report_comes_first(tmp_path, order):
    told = [
        upload(cases(a="failed", b="failed", c="passed"), minute=0),
        upload(cases(a="passed", b="failed", c="passed"), minute=1),
        upload(cases(a="failed", b="failed"), minute=2, job="other"),
    ]
    async with opened(fresh(tmp_path)) as database:
        for place in order:
            await record(database, told[place])
        async with database.reading() as connection:
            failed = await shown(connection, told[0].upload.id)
            other = await shown(connection, told[2].upload.id)
    assert failed is not None
    assert other is not None
    assert failed.report.tests is not None
    assert failed.report.tests.flaky == 1
    assert [(case.name, case.flaky) for case in failed.cases] == [("b", False), ("a", True)]
    assert not any(case.flaky for case in other.cases)


async def test_failures_are_compared_with_all_files_of_the_other_commit(database_url):
    names = [f"t{n}" for n in range(120)]
    async with opened(database_url) as database:
        await record(database, *(upload(cases(**{name: "failed"}), OLD, n) for n, name in enumerate(names)))
        await record(database, upload(cases(**dict.fromkeys(names, "failed")), minute=200))
        async with database.reading() as connection:
            (line,) = await lines(connection, sha=NEW)
    assert line.tests is not None
    assert (line.tests.failed, line.tests.new) == (120, 0)


async def test_only_the_first_failures_are_kept_and_all_are_counted(database_url):
    many = TestReport("JUnit", tuple(Case("s", f"t{n}", CaseResult.FAILED, "x") for n in range(1200)))
    async with opened(database_url) as database:
        await record(database, upload(many))
        (counts,) = await rows(database, TESTS)
        assert (counts.failed, len(await rows(database, CASE)), len(counts.failing)) == (1200, 500, 8 * 1200)


async def test_refused_report_is_kept_and_takes_the_place_of_nothing(database_url):
    good = upload(cases(a="passed"))
    refused = Reported(upload(None, refused="It is empty.").upload, None)
    async with opened(database_url) as database:
        await record(database, good, refused)
        again = Reported(good.upload, None)
        assert await record(database, again) == frozenset()
        found = await rows(database, REPORT)
        assert sorted((row.state, row.reason) for row in found) == [
            ("refused", "It is empty."),
            ("taken", ""),
        ]
        await record(database, Reported(refused.upload, cases(a="passed")))
        assert {row.state for row in await rows(database, REPORT)} == {"taken"}


async def test_scan_counts_by_severity_and_links_its_image(database_url):
    image = Image(
        DIGEST,
        (f"{REPO}:1.2.3",),
        (Alias(CONFIG, AliasKind.CONFIG, DIGEST),),
        (Link(DIGEST, NEW, REPO, Trust.LABEL, "label"), Link(DIGEST, OLD, "h/base", Trust.LABEL, "label")),
    )
    findings = tuple(Finding(f"CVE-{n}", severity, fixed_in="2") for n, severity in enumerate(Severity))
    async with opened(database_url) as database:
        topics = await record(database, upload(ScanReport("Trivy", "1", findings, 3, image=image), ""))
        assert Topic("artifact", DIGEST) in topics
        async with database.reading() as connection:
            (line,) = await lines(connection, digest=DIGEST)
            told = await known(connection, [CONFIG])
            full = await shown(connection, line.id)
    assert line.scan is not None
    assert full is not None
    assert (line.scan.critical, line.scan.info, line.scan.suppressed, line.scan.fixable) == (1, 1, 3, 6)
    assert full.findings[0]["rule"] == "CVE-0"
    assert [(link.digest, link.sha, link.trust) for link in told.links] == [(DIGEST, NEW, Trust.LABEL)]


async def test_scan_of_a_local_image_is_of_the_digest_that_its_sender_names(database_url):
    pushed = "sha256:" + "e" * 64
    async with opened(database_url) as database:
        await record(database, upload(ScanReport("Trivy", image=Image(CONFIG)), digest=pushed))
        async with database.reading() as connection:
            told = await known(connection, [CONFIG])
    assert [(alias.digest, alias.kind, alias.of) for alias in told.aliases] == [
        (CONFIG, AliasKind.CONFIG, pushed)
    ]
    assert [(link.digest, link.sha, link.trust) for link in told.links] == [(pushed, NEW, Trust.BUILD)]


async def test_one_digest_may_be_linked_with_several_commits_and_verified_stays(database_url):
    def built(sha: str) -> ArtifactSeen:
        return ArtifactSeen(
            digest=DIGEST, mark=mark(0, BEGIN), name="h/r", tag="1", repo=REPO, sha=sha, built_at=BEGIN
        )

    def proven(verified: bool, minute: int) -> Reported:
        links = (Link(DIGEST, NEW, REPO, Trust.PROVENANCE, "signed", verified),)
        return upload(
            Attestation((DIGEST,), Verification.VERIFIED, image=Image(DIGEST, links=links)), NEW, minute
        )

    async with opened(database_url) as database:
        await record(database, built(OLD), built(NEW), proven(True, 1))
        await record(database, proven(False, 2))
        found = {(row.sha, row.trust, row.verified) for row in await rows(database, LINK)}
        assert {(OLD, 3, False), (NEW, 3, False)} & found
        assert (NEW, 2, True) in found
        assert {(row.name, row.tag, row.digest) for row in await rows(database, TAG)} == {
            ("h/r", "1", DIGEST)
        }


async def test_old_reports_go_with_all_they_said(database_url):
    async with opened(database_url) as database:
        await record(database, upload(cases(a="failed"), OLD, 0), upload(cases(a="failed"), minute=9))
        built = ArtifactSeen(digest=DIGEST, mark=mark(0, BEGIN), sha=OLD, repo=REPO, built_at=BEGIN)
        await record(database, built)
        await prune(database, BEGIN + timedelta(minutes=5), pause=0)
        left = [len(await rows(database, table)) for table in (REPORT, TESTS, CASE, LINK)]
        assert left == [1, 1, 1, 0]
