"""Keys that one of several takes, and what was answered to it."""

from alembic import op
from sqlalchemy import Column, Double, LargeBinary, PrimaryKeyConstraint, String

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "claims",
        Column("key", String(64), nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("until", Double, nullable=False),
        PrimaryKeyConstraint("key", name="pk_claims"),
    )
    op.create_index("ix_claims_until", "claims", ["until"])
