"""What bills of materials list."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
)

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Apply this step. Bills that came before stay counted; what they list is not known."""
    op.create_table(
        "package",
        Column("id", Integer(), nullable=False),
        *(Column(name, String(), nullable=False) for name in ("key", "name", "version", "licence", "purl")),
        Column("at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("id", name=op.f("pk_package")),
    )
    op.create_index(op.f("ix_package_key"), "package", ["key"], unique=True)
    op.create_index(op.f("ix_package_at"), "package", ["at"])
    op.create_table(
        "bill",
        Column("report", String(), nullable=False),
        *(Column(name, Integer(), nullable=False) for name in ("packages", "left_out")),
        Column("held", LargeBinary(), nullable=False),
        ForeignKeyConstraint(["report"], ["report.id"], name=op.f("fk_bill_report"), ondelete="CASCADE"),
        PrimaryKeyConstraint("report", name=op.f("pk_bill")),
    )
