"""The tables of uploaded reports, and of what links artifacts with commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, Table, Text
from sqlmodel import Field, SQLModel

from app.store.tables import METADATA


class Report(SQLModel, table=True):
    """An upload (domain.reports.Upload). `state` is "taken" or "refused" (`reason`); `repo`, `sha`, `digest` and
    `branch` are what the sender told, else what the report says; `sender` is an identity, `request` the sender's key
    of it or empty."""

    __table_args__ = (
        Index(None, "sha", "job"),
        Index(None, "repo", "job", "received_at"),
        Index(None, "digest"),
        Index(None, "sender", "request"),
        Index(None, "received_at"),
    )

    id: str = Field(primary_key=True)
    kind: str
    repo: str
    sha: str
    digest: str
    job: str
    branch: str
    sha256: str
    bytes: int
    sender: str
    request: str
    received_at: datetime
    state: str
    reason: str


class TestResults(SQLModel, table=True):
    """Counts of one report of tests. `flaky` had both outcomes on this commit, `fresh` failing ones did not fail
    in the report that it was compared with, which was of commit `compared` (null: there was none).
    `passing` and `failing` hold the identities of cases, 8 bytes each."""

    __test__ = False
    __tablename__ = "test_report"

    id: str = Field(primary_key=True, foreign_key="report.id", ondelete="CASCADE")
    tool: str
    passed: int
    failed: int
    errors: int
    skipped: int
    flaky: int
    fresh: int
    seconds: float
    compared: str | None
    passing: bytes = Field(sa_type=LargeBinary)
    failing: bytes = Field(sa_type=LargeBinary)


class TestCase(SQLModel, table=True):
    """A case that failed or is flaky; the first 500 of a report. `known`: it failed before as well (null: there
    is nothing to compare with)."""

    __test__ = False
    __tablename__ = "test_case"
    __table_args__ = (Index(None, "identity"),)

    report: str = Field(primary_key=True, foreign_key="test_report.id", ondelete="CASCADE")
    place: int = Field(primary_key=True)
    identity: str
    suite: str
    name: str
    result: str
    message: str = Field(sa_type=Text)
    flaky: bool
    known: bool | None


class Scan(SQLModel, table=True):
    """Counts of one scan or bill of materials. `failed` is why the scan did not work, or empty; `findings` is a JSON
    array of the 500 worst, `components` how many a bill names (null: it is a scan)."""

    id: str = Field(primary_key=True, foreign_key="report.id", ondelete="CASCADE")
    tool: str
    version: str
    subject: str
    components: int | None
    failed: str
    critical: int
    high: int
    medium: int
    low: int
    unknown: int
    info: int
    suppressed: int
    fixable: int
    findings: str = Field(sa_type=Text)


class PackageKnown(SQLModel, table=True):
    """A package that some bill lists (domain.packages.Package), once for all bills; `key` is a digest of all four
    texts, `at` when a bill last listed it, to a day."""

    __tablename__ = "package"
    __table_args__ = (Index(None, "key", unique=True), Index(None, "at"))

    id: int | None = Field(default=None, primary_key=True)
    key: str
    name: str
    version: str
    licence: str
    purl: str
    at: datetime


class BillContents(SQLModel, table=True):
    """The packages of a bill of materials: `held` has their ids (store.packages), `left_out` is how many more it
    lists."""

    __tablename__ = "bill"

    report: str = Field(primary_key=True, foreign_key="report.id", ondelete="CASCADE")
    packages: int
    left_out: int
    held: bytes = Field(sa_type=LargeBinary)


class Signature(SQLModel, table=True):
    """What an attestation is worth for one of its subjects (domain.reports.Attestation)."""

    __table_args__ = (Index(None, "subject"),)

    report: str = Field(primary_key=True, foreign_key="report.id", ondelete="CASCADE")
    subject: str = Field(primary_key=True)
    proof: str
    predicate: str
    builder: str
    identity: str
    issuer: str
    repo: str
    sha: str
    signed_at: datetime | None
    reason: str


class ArtifactLink(SQLModel, table=True):
    """That somebody links a digest with a commit (domain.artifacts.Link); there may be several. `at` is when it was
    last said."""

    __tablename__ = "artifact_link"
    __table_args__ = (Index(None, "sha"), Index(None, "at"))

    digest: str = Field(primary_key=True)
    sha: str = Field(primary_key=True)
    trust: int = Field(primary_key=True)
    repo: str
    said: str
    verified: bool
    at: datetime


class ArtifactAlias(SQLModel, table=True):
    """That two digests name one image (domain.artifacts.Alias)."""

    __tablename__ = "artifact_alias"
    __table_args__ = (Index(None, "of"), Index(None, "at"))

    digest: str = Field(primary_key=True)
    of: str = Field(primary_key=True)
    kind: str
    at: datetime


class ArtifactTag(SQLModel, table=True):
    """That a tag of a repository of images was seen with a digest, first and last."""

    __tablename__ = "artifact_tag"
    __table_args__ = (Index(None, "digest"), Index(None, "at"), Index(None, "tag"))

    name: str = Field(primary_key=True)
    tag: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    first_at: datetime
    at: datetime


REPORT: Table = METADATA.tables["report"]
TESTS: Table = METADATA.tables["test_report"]
CASE: Table = METADATA.tables["test_case"]
SCAN: Table = METADATA.tables["scan"]
PACKAGE: Table = METADATA.tables["package"]
BILL: Table = METADATA.tables["bill"]
SIGNATURE: Table = METADATA.tables["signature"]
LINK: Table = METADATA.tables["artifact_link"]
ALIAS: Table = METADATA.tables["artifact_alias"]
TAG: Table = METADATA.tables["artifact_tag"]
