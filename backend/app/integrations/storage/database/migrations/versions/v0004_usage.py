"""The ledger: calls, upstream requests, sums of the calls by hour, and what was spent by day."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, PrimaryKeyConstraint, String

revision = "0004"
down_revision = "0003"

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_COUNTS = ("requests", "errors", "cancelled", "cached", "attempts", "estimated", "unpriced", *_TOKENS)


def upgrade() -> None:
    _requests()
    _attempts()
    _sums()


def _requests() -> None:
    op.create_table(
        "requests",
        Column("at", Double, nullable=False),
        Column("id", String(40), nullable=False),
        Column("request_id", String(255), nullable=False),
        Column("principal", String(255), nullable=False),
        Column("key_id", String(32)),
        Column("team", String(255)),
        Column("tier", String(64)),
        Column("front_end", String(64), nullable=False),
        Column("operation", String(32), nullable=False),
        Column("model", String(255), nullable=False),
        Column("integration", String(64)),
        Column("target_model", String(255)),
        Column("attempts", Integer, nullable=False),
        Column("outcome", String(32), nullable=False),
        Column("cached", String(16)),
        Column("stream", Boolean, nullable=False),
        Column("seconds", Double, nullable=False),
        Column("first_event_seconds", Double),
        Column("estimated", Boolean, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in _TOKENS),
        Column("cost", BigInteger),
        PrimaryKeyConstraint("at", "id", name="pk_requests"),
        postgresql_partition_by="RANGE (at)",
        sqlite_with_rowid=False,
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        Column("at", Double, nullable=False),
        Column("id", String(40), nullable=False),
        Column("number", Integer, nullable=False, autoincrement=False),
        Column("integration", String(64), nullable=False),
        Column("model", String(255), nullable=False),
        Column("outcome", String(32), nullable=False),
        Column("seconds", Double, nullable=False),
        Column("waited", Double, nullable=False),
        PrimaryKeyConstraint("at", "id", "number", name="pk_attempts"),
        postgresql_partition_by="RANGE (at)",
        sqlite_with_rowid=False,
    )


def _sums() -> None:
    op.create_table(
        "usage_hours",
        Column("hour", Integer, nullable=False, autoincrement=False),
        Column("principal", String(255), nullable=False),
        Column("key_id", String(32), nullable=False),
        Column("team", String(255), nullable=False),
        Column("model", String(255), nullable=False),
        Column("integration", String(64), nullable=False),
        Column("front_end", String(64), nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in _COUNTS),
        Column("seconds", Double, nullable=False),
        Column("cost", BigInteger, nullable=False),
        PrimaryKeyConstraint(
            "hour", "principal", "key_id", "team", "model", "integration", "front_end", name="pk_usage_hours"
        ),
    )
    op.create_table(
        "spending",
        Column("day", Integer, nullable=False, autoincrement=False),
        Column("key_id", String(32), nullable=False),
        Column("team", String(255), nullable=False),
        Column("cost", BigInteger, nullable=False),
        PrimaryKeyConstraint("day", "key_id", "team", name="pk_spending"),
    )
