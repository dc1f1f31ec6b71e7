"""Keys, what they are recognised by, and the versions by which processes learn of changes."""

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
)

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "versions",
        Column("subject", String(64), nullable=False),
        Column("version", BigInteger, nullable=False),
        PrimaryKeyConstraint("subject", name="pk_versions"),
    )
    op.create_table(
        "keys",
        Column("id", String(32), nullable=False),
        Column("path", String(255), nullable=False),
        Column("parent", String(32)),
        Column("name", String(200), nullable=False),
        Column("owner", String(255), nullable=False),
        Column("team", String(255)),
        Column("groups", JSON, nullable=False),
        Column("models", JSON, nullable=False),
        Column("roles", JSON, nullable=False),
        Column("tier", String(64)),
        Column("metadata", JSON, nullable=False),
        Column("hint", String(32), nullable=False),
        Column("created_at", Double, nullable=False),
        Column("created_by", String(255), nullable=False),
        Column("expires_at", Double),
        Column("revoked_at", Double),
        Column("last_used_at", Double),
        Column("deleted_at", Double),
        Column("version", BigInteger, nullable=False),
        PrimaryKeyConstraint("id", name="pk_keys"),
    )
    for column in ("path", "version", "created_at"):
        op.create_index(f"ix_keys_{column}", "keys", [column])
    op.create_table(
        "key_digests",
        Column("digest", LargeBinary(32), nullable=False),
        Column("key_id", String(32), nullable=False),
        Column("secret", String(16), nullable=False),
        Column("expires_at", Double),
        PrimaryKeyConstraint("digest", name="pk_key_digests"),
        ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_digests_key_id"),
    )
    op.create_index("ix_key_digests_key_id", "key_digests", ["key_id"])
