"""Reports by upload, and what links artifacts with commits."""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
)

revision = "0009"
down_revision = "0008"


def _texts(*names: str, nullable: bool = False) -> list[Column[str]]:
    return [Column(name, String(), nullable=nullable) for name in names]


def _numbers(*names: str) -> list[Column[int]]:
    return [Column(name, Integer(), nullable=False) for name in names]


def _time(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _key(table: str, *columns: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _of(table: str, column: str, other: str) -> ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="CASCADE")


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def upgrade() -> None:
    """Apply this step."""
    op.create_table(
        "report",
        *_texts("id", "kind", "repo", "sha", "digest", "job", "branch", "sha256"),
        *_numbers("bytes"),
        *_texts("sender", "request"),
        _time("received_at"),
        *_texts("state", "reason"),
        _key("report", "id"),
    )
    op.create_table(
        "test_report",
        *_texts("id", "tool"),
        *_numbers("passed", "failed", "errors", "skipped", "flaky", "fresh"),
        Column("seconds", Float(), nullable=False),
        *_texts("compared", nullable=True),
        Column("passing", LargeBinary(), nullable=False),
        Column("failing", LargeBinary(), nullable=False),
        _of("test_report", "id", "report"),
        _key("test_report", "id"),
    )
    op.create_table(
        "test_case",
        *_texts("report"),
        *_numbers("place"),
        *_texts("identity", "suite", "name", "result"),
        Column("message", Text(), nullable=False),
        Column("flaky", Boolean(), nullable=False),
        Column("known", Boolean(), nullable=True),
        _of("test_case", "report", "test_report"),
        _key("test_case", "report", "place"),
    )
    op.create_table(
        "scan",
        *_texts("id", "tool", "version", "subject"),
        Column("components", Integer(), nullable=True),
        *_texts("failed"),
        *_numbers("critical", "high", "medium", "low", "unknown", "info", "suppressed", "fixable"),
        Column("findings", Text(), nullable=False),
        _of("scan", "id", "report"),
        _key("scan", "id"),
    )
    op.create_table(
        "signature",
        *_texts("report", "subject", "proof", "predicate", "builder", "identity", "issuer", "repo", "sha"),
        _time("signed_at", nullable=True),
        *_texts("reason"),
        _of("signature", "report", "report"),
        _key("signature", "report", "subject"),
    )
    op.create_table(
        "artifact_link",
        *_texts("digest", "sha"),
        *_numbers("trust"),
        *_texts("repo", "said"),
        Column("verified", Boolean(), nullable=False),
        _time("at"),
        _key("artifact_link", "digest", "sha", "trust"),
    )
    op.create_table(
        "artifact_alias",
        *_texts("digest", "of", "kind"),
        _time("at"),
        _key("artifact_alias", "digest", "of"),
    )
    op.create_table(
        "artifact_tag",
        *_texts("name", "tag", "digest"),
        _time("first_at"),
        _time("at"),
        _key("artifact_tag", "name", "tag", "digest"),
    )
    _index("report", "sha", "job")
    _index("report", "repo", "job", "received_at")
    _index("report", "digest")
    _index("report", "sender", "request")
    _index("report", "received_at")
    _index("test_case", "identity")
    _index("signature", "subject")
    _index("artifact_link", "sha")
    _index("artifact_link", "at")
    _index("artifact_alias", "of")
    _index("artifact_alias", "at")
    _index("artifact_tag", "digest")
    _index("artifact_tag", "at")
