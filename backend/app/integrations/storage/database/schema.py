"""The tables. Importing this loads SQLAlchemy.

They are made, and changed, by migrations/versions; a test compares the two.
"""

from sqlalchemy import Column, Double, Index, LargeBinary, MetaData, String, Table

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"},
)

# The id stands first: whether somebody else has it is asked as well.
RESPONSES = Table(
    "responses",
    METADATA,
    Column("id", String(128), primary_key=True),
    Column("principal", String(255), primary_key=True),
    Column("previous_id", String(128)),
    Column("created", Double, nullable=False),
    Column("items", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index(None, RESPONSES.c.created)

CLAIMS = Table(
    "claims",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("until", Double, nullable=False),
)
Index(None, CLAIMS.c.until)
