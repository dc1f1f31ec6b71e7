"""A whole body out of its pieces; both clients' responses read by it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.core.http.failures import too_large


async def gather(chunks: AsyncGenerator[bytes, None], limit: int, name: str) -> bytes:
    """Closes `chunks`. Over `limit` bytes: ProviderProtocolError, which calls the upstream `name`."""
    received = bytearray()
    async with aclosing(chunks):
        async for chunk in chunks:
            received += chunk
            if len(received) > limit:
                raise too_large(name, limit)
    return bytes(received)
