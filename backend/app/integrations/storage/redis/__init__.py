"""Redis, for what all processes of a platform share. redis-py is loaded on first use, never by an import."""
