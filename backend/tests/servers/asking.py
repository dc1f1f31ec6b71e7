"""Small questions to a running platform that many tests put to it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.servers.raw_client import Reply, get, post

MESSAGES = [{"role": "user", "content": "What is a pod?"}]
CHAT = "/v1/chat/completions"


async def chat(port: int, model: str, **fields: object) -> Reply:
    return await post(port, CHAT, {"model": model, "messages": MESSAGES, **fields})


async def status_of(port: int, integration: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = (await get(port, f"/integrations/{integration}/status", headers)).json()
    return found


async def model_names(port: int) -> list[str]:
    """Those that can be used now."""
    return [model["id"] for model in (await get(port, "/v1/models")).json()["data"] if model["available"]]


async def becomes(condition: Callable[[], Awaitable[object]], seconds: float = 10.0, every: float = 0.02) -> None:
    """Ask until it is true. `seconds` is what the subject promises at most; fails after that."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not true within {seconds:g} s"
        await asyncio.sleep(every)
