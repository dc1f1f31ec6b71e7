"""Stored responses. Databases from before there were steps have the table already."""

from alembic import op
from sqlalchemy import Column, Double, LargeBinary, PrimaryKeyConstraint, String

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "responses",
        Column("id", String(128), nullable=False),
        Column("principal", String(255), nullable=False),
        Column("previous_id", String(128)),
        Column("created", Double, nullable=False),
        Column("items", LargeBinary, nullable=False),
        Column("body", LargeBinary, nullable=False),
        PrimaryKeyConstraint("id", "principal", name="pk_responses"),
        if_not_exists=True,
    )
    op.create_index("ix_responses_created", "responses", ["created"], if_not_exists=True)
