"""Images from the database: the commit with its source, by any of the digests, and flags."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.domain.artifacts import Alias, AliasKind, Link, Trust
from app.domain.ci import ArtifactSeen, CiOutcome, CiPhase, CommitSeen, DeploymentSeen, RunSeen, Status
from app.domain.converge import mark
from app.domain.names import Place, Topic, WorkloadRef
from app.domain.reports import (
    Attestation,
    Contents,
    Finding,
    Image,
    Reported,
    ReportSubject,
    ScanReport,
    Severity,
    Upload,
    Verification,
)
from app.domain.revisions import Revision
from app.domain.rollout import Attention, Health, Phase, RolloutState, Strategy
from app.domain.signing import SigningRule
from app.read.artifacts import Running, origins, shown
from app.read.flags import ImageQuery, Policy, of_images
from app.read.marks import Marks
from app.read.origins import Origins
from app.read.rows import WorkloadRow
from app.store.db import Database
from app.store.ledger import Ledger
from tests.store.looks import opened

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
REPO, NAME = "github.com/acme/cart", "ghcr.io/acme/cart"
INDEX, CONFIG, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
SHA, LATER = "1234567" + "a" * 33, "7654321" + "b" * 33
DONE = Status(CiPhase.DONE, CiOutcome.SUCCESS)


def built(digest: str, sha: str, tag: str) -> ArtifactSeen:
    return ArtifactSeen(digest=digest, mark=mark(0, AT), name=NAME, tag=tag, repo=REPO, sha=sha, built_at=AT)


def reported(contents: Contents, number: int = 0) -> Reported:
    return Reported(Upload(ReportSubject(REPO), "x", f"{number:064x}", 1, "i|s", "", AT), contents)


def scan(**more) -> Reported:
    image = Image(INDEX, (), (Alias(CONFIG, AliasKind.CONFIG, INDEX),), **more)
    return reported(ScanReport("Trivy", "", (Finding("CVE-1", Severity.HIGH),), image=image))


async def record(database: Database, *facts) -> None:
    async with database.writing() as session:
        await Ledger().record(session, facts)


async def look(database: Database, digest: str, policy: Policy = Policy()):  # noqa: B008
    async with database.reading() as connection:
        return await shown(connection, digest, policy)


async def test_image_is_known_by_its_config_and_names_the_source_of_its_commit(database_url):
    async with opened(database_url) as database:
        await record(database, built(INDEX, SHA, "1.2.3"), scan())
        found = await look(database, CONFIG)
        assert found is not None
        assert (found.sha, found.repo, found.source) == (SHA, REPO, "result of the build")
        assert found.names == (INDEX,)
        assert [line.tag for line in found.tags] == ["1.2.3"]
        await record(
            database, scan(links=(Link(INDEX, LATER, REPO, Trust.LABEL, "label, as Trivy read it"),))
        )
        assert await look(database, OTHER) is None


async def test_label_outranks_the_build_and_the_other_answer_is_told(database_url):
    link = Link(INDEX, LATER, REPO, Trust.LABEL, "label, as Trivy read it")
    async with opened(database_url) as database:
        await record(database, built(INDEX, SHA, "1.2.3"), scan(links=(link,)))
        found = await look(database, INDEX)
    assert found is not None
    assert (found.sha, found.source, found.others) == (LATER, "label of the image", (SHA,))
    assert [line.source for line in found.links] == ["label of the image", "result of the build"]


async def test_flags_tell_what_is_not_as_it_should_be(database_url):
    policy = Policy((SigningRule("github.com/acme/*", wanted=True),), "high")
    claim = Attestation((INDEX,), Verification.UNVERIFIABLE, reason="It does not verify.")
    async with opened(database_url) as database:
        await record(database, built(INDEX, SHA, "latest"), scan(), reported(claim, 1))
        await record(database, built(OTHER, SHA, "latest"))
        found = await look(database, INDEX, policy)
        assert found is not None
        kinds = ["floating", "retagged", "divergent", "unsigned", "scan"]
        assert [flag.kind.value for flag in found.flags] == kinds
        assert "It does not verify." in found.flags[3].message
        quiet = await look(database, INDEX)
        assert quiet is not None
        assert all(flag.todo for flag in quiet.flags)
        assert [flag.kind.value for flag in quiet.flags] == kinds[:3]


async def test_commits_of_what_runs_are_found_together(database_url):
    run = RunSeen(
        provider="github",
        host="github.com",
        project="1",
        run="7",
        attempt=1,
        repo=REPO,
        sha=LATER,
        branch="v2.0.0",
        mark=mark(2, AT),
        status=DONE,
    )
    other = CommitSeen(repo="github.com/acme/mail", sha=SHA, mark=mark(0, AT), pushed_at=AT)
    asked = {
        "digest": Running("1", (f"{NAME}:1",), (CONFIG,)),
        "pinned": Running("", (f"{NAME}@{INDEX}",)),
        "short": Running("", (f"ghcr.io/acme/mail:main-{SHA[:7]}",)),
        "tagged": Running("2.0.0", (f"{NAME}:2.0.0",)),
        "other's tag": Running("2.0.0", ("ghcr.io/acme/mail:2.0.0",)),
        "nothing": Running("latest", ("nginx:latest",)),
    }
    async with opened(database_url) as database:
        await record(database, built(INDEX, SHA, "1"), scan(), run, other)
        async with database.reading() as connection:
            found = await origins(connection, asked)
    assert {key: (one.sha, one.trust) for key, one in found.items()} == {
        "digest": (SHA, Trust.BUILD),
        "pinned": (SHA, Trust.BUILD),
        "short": (SHA, Trust.TAG),
        "tagged": (LATER, Trust.TAG),
    }


async def test_deployed_and_running_disagree_about_other_bytes_only(database_url):
    deployment = DeploymentSeen(
        provider="github",
        host="github.com",
        project="1",
        deployment="9",
        repo=REPO,
        mark=mark(2, AT),
        environment="Production",
        digest=INDEX,
        created_at=AT,
        status=DONE,
    )
    async with opened(database_url) as database:
        await record(database, deployment, scan())
        asked = {
            "same bytes": ImageQuery((), (CONFIG,), REPO, "production"),
            "elsewhere": ImageQuery((), (OTHER,), REPO, "staging"),
            "other": ImageQuery((), (OTHER,), REPO, "production"),
        }
        async with database.reading() as connection:
            found = await of_images(connection, asked)
    assert {key: [flag.kind.value for flag in flags] for key, flags in found.items()} == {
        "same bytes": [],
        "elsewhere": [],
        "other": ["disagrees"],
    }


async def test_images_of_other_names_from_one_commit_are_no_second_build(database_url):
    mail = replace(built(OTHER, SHA, "1.2.3"), name="ghcr.io/acme/mail")
    async with opened(database_url) as database:
        await record(database, built(INDEX, SHA, "1.2.3"), mail)
        found = await look(database, INDEX)
    assert found is not None
    assert found.flags == ()


def seen(digests=(INDEX,), image: str = f"{NAME}:1.2.3", environment: str = "production") -> WorkloadRow:
    ref, place = WorkloadRef("c", "shop", "Deployment", "cart"), Place("cart", environment, "team")
    revision = Revision("a", images=(image,), version="1.2.3", digests=tuple(digests))
    state = RolloutState(Phase.IDLE, Health.HEALTHY, "", Strategy.ROLLING, revision=revision)
    return WorkloadRow("c:1", ref, place, "deployment", state, Attention.GOOD, AT, AT, None, None)


async def test_marks_of_a_workload_follow_what_is_told_of_its_image(database_url):
    row, topics = seen(), lambda *some: [Topic(*one.split(" ", 1)) for one in some]
    marks, origins_ = Marks(Policy((), "high")), Origins()
    async with opened(database_url) as database:

        async def told(*facts) -> list[str]:
            async with database.writing() as session:
                changed = await Ledger().record(session, facts)
            async with database.reading() as connection:
                moved = await origins_.refresh(connection, changed, {row.key: row})
                keys = await marks.refresh(connection, changed, {row.key: row}, origins_, moved)
            kinds = [flag.kind.value for flag in marks.of(row.key)]
            assert bool(keys) == (kinds != before[-1])
            before.append(kinds)
            return kinds

        before: list[list[str]] = [["no_sha"]]
        async with database.reading() as connection:
            await origins_.load(connection, [row])
            await marks.load(connection, [row], origins_)
        assert [flag.kind.value for flag in marks.of(row.key)] == ["no_sha"]
        assert await told(built(INDEX, SHA, "1.2.3")) == []  # CI tells of the commit, so the tag need not
        assert await told(scan()) == ["scan"]
        assert await told(built(OTHER, SHA, "1.2.3")) == ["retagged", "divergent", "scan"]
        async with database.reading() as connection:
            gone = await marks.refresh(connection, topics("workload c:1"), {}, origins_)
        assert (gone, marks.of(row.key)) == (frozenset(), ())
