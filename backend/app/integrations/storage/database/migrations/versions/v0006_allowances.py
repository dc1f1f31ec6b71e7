"""Tiers and budgets that administrators set while the platform runs."""

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Double, Integer, PrimaryKeyConstraint, String

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "tiers",
        Column("name", String(64), nullable=False),
        Column("level", Integer, nullable=False),
        Column("groups", JSON, nullable=False),
        Column("models", JSON, nullable=False),
        Column("rates", JSON, nullable=False),
        Column("priority", Integer, nullable=False),
        Column("description", String(200), nullable=False),
        *_updated(),
        PrimaryKeyConstraint("name", name="pk_tiers"),
    )
    op.create_table(
        "budgets",
        Column("name", String(64), nullable=False),
        Column("limit", BigInteger, nullable=False),
        Column("scope", String(16), nullable=False),
        Column("id", String(255), nullable=False),
        Column("window", String(16), nullable=False),
        Column("alert", Double, nullable=False),
        *_updated(),
        PrimaryKeyConstraint("name", name="pk_budgets"),
    )


def _updated() -> tuple[Column[float], Column[str]]:
    return Column("updated_at", Double, nullable=False), Column("updated_by", String(255), nullable=False)
