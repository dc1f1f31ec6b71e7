"""The tables of accounts. Importing this loads SQLAlchemy.

They are made, and changed, by the steps of the database integration; a test compares the two. Times are Unix
seconds. A table has one name for one thing in all of them: `key_id`, `version`, `..._at`.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    },
)

# What processes look at to learn that something has changed; whoever changes it raises the version in the same
# transaction, and so takes turns with all others who do.
VERSIONS = Table(
    "versions",
    METADATA,
    Column("subject", String(64), primary_key=True),
    Column("version", BigInteger, nullable=False),
)

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String(32), primary_key=True),
    # The ids from the top of its tree down to itself, with a slash between each two.
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
    # Those that were deleted stay, so that what they used can still be named.
    Column("deleted_at", Double),
    Column("version", BigInteger, nullable=False),
)
Index(None, KEYS.c.path)
Index(None, KEYS.c.version)
Index(None, KEYS.c.created_at)

# What a key is recognised by; two while it is being rotated. `secret`: which of the platform's secrets made it.
KEY_DIGESTS = Table(
    "key_digests",
    METADATA,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("key_id", String(32), ForeignKey(KEYS.c.id), nullable=False),
    Column("secret", String(16), nullable=False),
    Column("expires_at", Double),
)
Index(None, KEY_DIGESTS.c.key_id)

# Append-only: triggers of the database refuse to change or delete a row.
AUDIT = Table(
    "audit",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("object", String(512), nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    Column("request_id", String(128), nullable=False),
    Column("front_end", String(64), nullable=False),
)
Index(None, AUDIT.c.at)

# The ledger: a row a call, and one for each upstream request. `at` stands first in their keys, for both are read
# and dropped by time: PostgreSQL keeps a month in a partition of its own. Money is in billionths of a US dollar.
REQUESTS = Table(
    "requests",
    METADATA,
    Column("at", Double, primary_key=True),
    Column("id", String(40), primary_key=True),
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
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger),
    postgresql_partition_by="RANGE (at)",
    sqlite_with_rowid=False,
)
ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("at", Double, primary_key=True),
    Column("id", String(40), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("integration", String(64), nullable=False),
    Column("model", String(255), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("seconds", Double, nullable=False),
    Column("waited", Double, nullable=False),
    postgresql_partition_by="RANGE (at)",
    sqlite_with_rowid=False,
)

# Sums of the calls by hour, for whoever asks about usage. What a call lacks is "". `hour` counts from 1970.
USAGE_HOURS = Table(
    "usage_hours",
    METADATA,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("principal", String(255), primary_key=True),
    Column("key_id", String(32), primary_key=True),
    Column("team", String(255), primary_key=True),
    Column("model", String(255), primary_key=True),
    Column("integration", String(64), primary_key=True),
    Column("front_end", String(64), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("cancelled", BigInteger, nullable=False),
    Column("cached", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("estimated", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("cost", BigInteger, nullable=False),
)

# What was spent by day, for budgets: kept for good. `day` counts from 1970.
SPENDING = Table(
    "spending",
    METADATA,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("key_id", String(32), primary_key=True),
    Column("team", String(255), primary_key=True),
    Column("cost", BigInteger, nullable=False),
)

# What administrators set while the platform runs, beside what the configuration defines: few, and read whole.
TIERS = Table(
    "tiers",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("groups", JSON, nullable=False),
    Column("models", JSON, nullable=False),
    Column("rates", JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("description", String(200), nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("updated_by", String(255), nullable=False),
)
# `id`: of the key or the team whose it is, "" for the platform's and for each of its scope. `alert`: a part of it.
BUDGETS = Table(
    "budgets",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("limit", BigInteger, nullable=False),
    Column("scope", String(16), nullable=False),
    Column("id", String(255), nullable=False),
    Column("window", String(16), nullable=False),
    Column("alert", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("updated_by", String(255), nullable=False),
)
