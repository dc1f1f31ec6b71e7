"""One model name, two real servers behind it: both are used, and one may vanish without a caller noticing."""

import asyncio
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.servers.asking import becomes, chat, status_of
from tests.servers.openai_peer import running_peer
from tests.servers.platform_process import platform_process
from tests.servers.raw_client import Reply

CONFIGURATION = """
integrations:
  east: &peer
    kind: llamacpp
    health_check_interval: 0.1
    retry_config: {{max_backoff: 0.5}}
    settings: {{base_url: "{east}", api_key: peer-key}}
  west:
    <<: *peer
    settings: {{base_url: "{west}", api_key: peer-key}}
models:
  shared: [east/platform-demo, west/platform-demo]
"""


async def test_both_are_used_and_one_may_die_and_come_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        east, west = stack.enter_context(running_peer()), stack.enter_context(running_peer())
        (tmp_path / "llm-platform.yaml").write_text(CONFIGURATION.format(east=east.url, west=west.url))
        async with platform_process(tmp_path) as platform:
            port = platform.port

            async def ask(**fields: object) -> Reply:
                return await chat(port, "shared", max_tokens=5, **fields)

            before = await asyncio.gather(*(ask(stream=number % 2 == 0) for number in range(40)))
            assert providers(before) >= {"east", "west"}

            dying = asyncio.create_task(steady(ask, 200))
            await asyncio.sleep(0)
            east.process.kill()
            survived = await dying
            assert all(reply.status == 200 and b'"error"' not in reply.body for reply in survived)
            assert "2" in {reply.headers["x-llm-attempts"] for reply in survived}
            after = await asyncio.gather(*(ask(stream=True) for _ in range(20)))
            assert providers(after) == {"west"}

            async def state(*wanted: str) -> bool:
                return (await status_of(port, "east"))["state"] in wanted

            await becomes(lambda: state("retrying"))
            assert "east: ready -> degraded" in platform.log()
            status = await status_of(port, "east")
            assert status["reason"]
            assert status["next_retry_at"] > status["since"]
            # Now nobody even tries it.
            assert {reply.headers["x-llm-attempts"] for reply in await steady(ask, 10)} == {"1"}

            stack.enter_context(running_peer(port=int(east.url.rpartition(":")[2])))
            await becomes(lambda: state("ready"))
            again = await asyncio.gather(*(ask() for _ in range(40)))
            assert providers(again) >= {"east", "west"}
            assert await platform.stop() == 0


async def steady(ask, count: int, lanes: int = 8) -> list[Reply]:  # type: ignore[no-untyped-def]
    """So many questions, `lanes` at a time."""
    replies: list[Reply] = []

    async def lane() -> None:
        while len(replies) < count:
            replies.append(await ask())

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return replies


def providers(replies: list[Reply]) -> set[str]:
    assert Counter(reply.status for reply in replies).keys() == {200}
    return {reply.headers["x-llm-provider"] for reply in replies}
