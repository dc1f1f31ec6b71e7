"""R5: the database slow, frozen or gone, also at the start: known keys serve on, nobody is let in on doubt."""

import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.accounts.keys.text import new_key
from tests.access.routes import DENIED, IN, STRANGER, UNAVAILABLE, ask
from tests.servers.asking import becomes
from tests.servers.postgres import Postgres
from tests.servers.raw_client import get, post
from tests.servers.whole_platform import MASTER, Whole, whole_platform

EACH = [
    "POST /v1/chat/completions",
    "POST /v1/messages",
    "GraphQL Query.models",
    "gRPC llm_platform.v1.Inference/ChatUnary",
    "WebSocket /ws/chat",
]
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
TIMEOUT = 0.5


def strange() -> dict[str, str]:
    return {"Authorization": f"Bearer {new_key()}"}


@pytest.fixture
async def on_postgres(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Whole]:
    async with (
        postgres.database() as url,
        whole_platform(tmp_path, database={"url": url, "timeout": TIMEOUT}) as whole,
    ):
        await becomes(lambda: _strangers_are_refused(whole), 20.0)
        yield whole


async def test_frozen(on_postgres: Whole, postgres: Postgres) -> None:
    whole = on_postgres
    await whole.issue("ann")
    await whole.issue("viewer", roles=("viewer",))
    with postgres.frozen():
        for route in EACH:
            began = time.monotonic()
            assert await ask(whole, route, whole.header("ann")) == IN
            assert await ask(whole, route, {"x-api-key": MASTER}) == IN
            assert time.monotonic() - began < 0.5, route
            assert await ask(whole, route, strange()) == UNAVAILABLE
            assert await ask(whole, route, {"x-api-key": "no key at all"}) == STRANGER
        assert await ask(whole, "POST /v1/chat/completions", whole.header("viewer")) == DENIED
        refusal = await get(whole.port, "/v1/models", strange())
        assert (refusal.status, refusal.json()["error"]["code"]) == (503, "keys_unavailable")
        assert refusal.headers["retry-after"] == "1"
    await becomes(lambda: _strangers_are_refused(whole), 5.0)


async def test_what_needs_it_says_503_and_the_status_why(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none"
        async with whole_platform(tmp_path, database={"url": url, "timeout": TIMEOUT}) as whole:
            master = {"x-api-key": MASTER}
            assert (await post(whole.port, "/v1/chat/completions", CHAT, master)).status == 200
            for route in EACH:
                assert await ask(whole, route, strange()) == UNAVAILABLE
            status = (await get(whole.port, "/integrations/database/status", master)).json()
            assert status["state"] == "retrying"
            assert "database" in status["reason"]


async def test_frozen_at_the_start(postgres: Postgres, tmp_path: Path) -> None:
    async with postgres.database() as url:
        with postgres.frozen():
            platform = whole_platform(tmp_path, database={"url": url, "timeout": TIMEOUT})
            whole = await platform.__aenter__()
            try:
                assert (await post(whole.port, "/v1/chat/completions", CHAT, {"x-api-key": MASTER})).status == 200
                assert await ask(whole, EACH[0], strange()) == UNAVAILABLE
            except BaseException:
                await platform.__aexit__(None, None, None)
                raise
        try:
            await becomes(lambda: _strangers_are_refused(whole), 20.0)
            await whole.issue("ann")
            assert await ask(whole, EACH[0], whole.header("ann")) == IN
        finally:
            await platform.__aexit__(None, None, None)


async def _strangers_are_refused(whole: Whole) -> bool:
    """So the database is asked again, and has answered."""
    return (await get(whole.port, "/v1/models", strange())).status == 401
