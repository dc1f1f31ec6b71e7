"""What Alembic runs to get at the database: the connection, and the transaction, of whoever called it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
