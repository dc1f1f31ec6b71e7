"""The database: SQLite by default, any other by its URL. SQLAlchemy is loaded on first use, never by an import."""
