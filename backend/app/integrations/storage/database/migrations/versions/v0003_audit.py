"""The audit log. The database itself refuses to change or delete what stands in it."""

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, Double, Integer, PrimaryKeyConstraint, String

revision = "0003"
down_revision = "0002"

_SQLITE = """
CREATE TRIGGER audit_keeps_{what} BEFORE {what} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
"""
_POSTGRES = (
    """
CREATE FUNCTION audit_keeps() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
""",
    """
CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_keeps()
""",
)


def upgrade() -> None:
    op.create_table(
        "audit",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), nullable=False, autoincrement=True),
        Column("at", Double, nullable=False),
        Column("actor", String(255), nullable=False),
        Column("action", String(64), nullable=False),
        Column("object", String(512), nullable=False),
        Column("before", JSON),
        Column("after", JSON),
        Column("request_id", String(128), nullable=False),
        Column("front_end", String(64), nullable=False),
        PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    if op.get_bind().dialect.name == "sqlite":
        for what in ("update", "delete"):
            op.execute(_SQLITE.format(what=what))
    else:
        for statement in _POSTGRES:
            op.execute(statement)
