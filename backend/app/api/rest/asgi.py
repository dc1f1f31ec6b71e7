"""Moved to app.api.asgi."""

from app.api.asgi import *  # noqa: F403
