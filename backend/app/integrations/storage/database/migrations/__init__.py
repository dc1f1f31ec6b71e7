"""The history of the schema. Alembic reads env.py and the files under versions; see migrate.py."""
