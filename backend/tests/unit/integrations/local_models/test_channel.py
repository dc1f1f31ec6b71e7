import asyncio
from threading import Event, Thread

import pytest

from app.integrations.model_platforms.local_models.channel import Channel


async def test_what_is_put_arrives_in_order_and_together() -> None:
    channel = Channel(asyncio.get_running_loop())
    assert not any(channel.put(chunk) for chunk in (b"a", b"b", b"c"))
    channel.end()
    assert await channel.take() == [b"a", b"b", b"c"]
    assert await channel.take() == []


async def test_a_waiting_reader_is_woken_by_the_thread() -> None:
    channel = Channel(asyncio.get_running_loop())
    reading = asyncio.create_task(channel.take())
    await asyncio.sleep(0)
    await asyncio.to_thread(channel.put, b"late")
    assert await reading == [b"late"]


async def test_a_failure_is_raised_after_what_came_before_it() -> None:
    channel = Channel(asyncio.get_running_loop())
    channel.put(b"a")
    channel.end(ValueError("broken"))
    assert await channel.take() == [b"a"]
    with pytest.raises(ValueError, match="broken"):
        await channel.take()


async def _filled(channel: Channel, started: Event, results: list[bool], chunks: int) -> Thread:
    def put_all() -> None:
        started.set()
        for _ in range(chunks):
            results.append(channel.put(b"x" * 10))
        channel.end()

    thread = Thread(target=put_all)
    thread.start()
    await asyncio.to_thread(started.wait)
    return thread


async def test_a_slow_reader_holds_the_thread_back() -> None:
    channel, results = Channel(asyncio.get_running_loop(), limit=50), list[bool]()
    thread = await _filled(channel, Event(), results, chunks=100)
    seen = 0
    while chunks := await channel.take():
        seen += len(chunks)
        assert sum(map(len, chunks)) <= 50
    await asyncio.to_thread(thread.join)
    assert seen == 100
    assert results == [False] * 100


async def test_closing_frees_a_thread_that_waits() -> None:
    channel, results = Channel(asyncio.get_running_loop(), limit=50), list[bool]()
    thread = await _filled(channel, Event(), results, chunks=100)
    while len(results) < 5:  # noqa: ASYNC110 - a thread sets no asyncio event
        await asyncio.sleep(0)
    channel.close()
    await asyncio.to_thread(thread.join)
    assert results[:5] == [False] * 5
    assert results[5:] == [True] * 95
    assert await channel.take() == []


async def test_a_chunk_above_the_limit_passes_alone() -> None:
    channel = Channel(asyncio.get_running_loop(), limit=4)
    assert channel.put(b"much too long") is False
    assert await channel.take() == [b"much too long"]


def test_a_thread_outlives_the_loop() -> None:
    loop = asyncio.new_event_loop()
    channel = Channel(loop)
    loop.close()
    assert channel.put(b"nobody is left") is True
