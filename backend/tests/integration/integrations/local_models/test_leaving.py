"""Clients that leave: the slot is free again, at whatever moment they go."""

import asyncio

import pytest

from app.domain.errors import UpstreamUnavailable
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from tests.integration.integrations.local_models.asking import (
    ENDLESS,
    answered,
    asked,
    chat_exchange,
    custom_models,
    events,
    text,
    until,
)

LONG = asked(max_tokens=900, stream=True, **ENDLESS)


def running(custom: CustomModelsIntegration) -> int:
    return custom._residency.running()


async def test_closing_a_stream_frees_its_only_slot() -> None:
    async with custom_models(slots=1) as custom:
        stream = await custom.chat(chat_exchange(LONG))
        await anext(aiter(stream))
        await stream.aclose()
        await until(lambda: running(custom) == 0)
        assert text(await answered(custom, asked()))


async def test_a_closed_stream_yields_no_more() -> None:
    async with custom_models(slots=1) as custom:
        stream = await custom.chat(chat_exchange(LONG))
        await stream.aclose()
        await stream.aclose()
        assert await events(stream) == []


async def test_cancelling_a_whole_answer_stops_it() -> None:
    async with custom_models(slots=1) as custom:
        await custom.load("demo")
        asking = asyncio.create_task(answered(custom, asked(max_tokens=900, **ENDLESS)))
        await until(lambda: running(custom) == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: running(custom) == 0)
        assert text(await answered(custom, asked()))


async def test_cancelling_one_that_waits_for_a_slot_returns_at_once() -> None:
    async with custom_models(slots=1) as custom:
        holder = await custom.chat(chat_exchange(LONG))
        waiting = [asyncio.create_task(custom.chat(chat_exchange(LONG))) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found)
        assert running(custom) <= 1
        await holder.aclose()
        assert text(await answered(custom, asked()))


async def test_many_leave_at_random_moments_and_nothing_is_lost() -> None:
    async with custom_models(slots=2) as custom:
        await custom.load("demo")

        async def leave_after(turns: int) -> None:
            task = asyncio.create_task(answered(custom, asked(max_tokens=300, **ENDLESS)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await asyncio.gather(*(leave_after(turns * 7) for turns in range(30)))
        await until(lambda: running(custom) == 0)
        found = await asyncio.gather(*(answered(custom, asked()) for _ in range(4)))
        assert len({text(result) for result in found}) == 1


async def test_a_reader_that_sleeps_stops_nobody_else() -> None:
    async with custom_models(slots=2) as custom:
        sleeper = await custom.chat(chat_exchange(LONG))
        assert text(await answered(custom, asked()))
        await sleeper.aclose()


async def test_shutdown_ends_running_answers_with_an_error() -> None:
    async with custom_models(slots=1) as custom:
        stream = await custom.chat(chat_exchange(LONG))
        reading = asyncio.create_task(events(stream))
        await asyncio.sleep(0)
        await custom.shutdown()
        with pytest.raises(UpstreamUnavailable, match="stopped before it had finished"):
            await reading


async def test_shutdown_does_not_begin_what_still_waited() -> None:
    async with custom_models(slots=1) as custom:
        await custom.chat(chat_exchange(LONG))
        waiting = [asyncio.create_task(custom.chat(chat_exchange(LONG))) for _ in range(3)]
        await asyncio.sleep(0)
        await custom.shutdown()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in found] == [UpstreamUnavailable] * 3
