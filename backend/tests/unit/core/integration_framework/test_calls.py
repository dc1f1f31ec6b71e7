import asyncio
import logging

import pytest

from app.core.integration_framework.calls import CANCELLATION_GRACE, PluginCalls
from app.core.integration_framework.errors import CallCancelled, CallTimedOut
from app.testing.clock import VirtualClock


async def answer() -> int:
    return 42


async def crash() -> int:
    raise LookupError("of its own")


async def exit_program() -> int:
    raise SystemExit(1)


async def cancel_itself() -> int:
    raise asyncio.CancelledError


class Stubborn:
    """Ignores cancellation until it is released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def __call__(self) -> int:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue
        raise LookupError("too late to matter")


def still_runs(what: str) -> bool:
    return what in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_result_comes_through() -> None:
    assert await PluginCalls(VirtualClock()).run("x.y", answer, 1.0) == 42


@pytest.mark.parametrize(
    ("call", "raised", "message"),
    [
        (crash, LookupError, "of its own"),
        (exit_program, CallCancelled, "x.y tried to exit the program"),
        (cancel_itself, CallCancelled, "x.y cancelled itself"),
    ],
)
async def test_what_it_raises_comes_through_but_takes_nothing_with_it(
    call: object, raised: type[Exception], message: str
) -> None:
    with pytest.raises(raised, match=message):
        await PluginCalls(VirtualClock()).run("x.y", call, 1.0)  # type: ignore[arg-type]


async def test_one_that_takes_too_long_is_cancelled_and_may_clean_up() -> None:
    clock, cleaned = VirtualClock(), list[str]()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("cleaned")

    calls = PluginCalls(clock)
    waiting = asyncio.create_task(calls.run("x.y", slow, 7.0))
    await clock.advance(6.9)
    assert not waiting.done()
    await clock.advance(0.1)
    with pytest.raises(CallTimedOut, match=r"x\.y did not finish within 7 s"):
        waiting.result()
    assert cleaned == ["cleaned"]
    assert not still_runs("x.y")


async def test_one_that_ignores_cancellation_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    clock, stubborn = VirtualClock(), Stubborn()
    calls = PluginCalls(clock)
    waiting = asyncio.create_task(calls.run("x.y", stubborn, 7.0))
    with caplog.at_level(logging.WARNING):
        await clock.advance(7.0 + CANCELLATION_GRACE)
    with pytest.raises(CallTimedOut):
        waiting.result()
    assert still_runs("x.y")
    assert "x.y ignores its cancellation" in caplog.text

    stubborn.released.set()
    await clock.settle()
    assert not still_runs("x.y")


async def test_cancelling_the_caller_cancels_the_call_and_lets_it_clean_up() -> None:
    clock, cleaned = VirtualClock(), list[str]()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await clock.sleep(0.5)
            cleaned.append("cleaned")

    waiting = asyncio.create_task(PluginCalls(clock).run("x.y", slow, 7.0))
    await clock.settle()
    waiting.cancel()
    await clock.advance(0.4)
    assert not waiting.done()
    await clock.advance(0.1)
    assert waiting.cancelled()
    assert cleaned == ["cleaned"]


async def test_a_cancelled_caller_does_not_wait_for_the_stubborn() -> None:
    clock, stubborn = VirtualClock(), Stubborn()
    calls = PluginCalls(clock)
    waiting = asyncio.create_task(calls.run("x.y", stubborn, 7.0))
    await clock.settle()
    waiting.cancel()
    await clock.advance(CANCELLATION_GRACE)
    assert waiting.cancelled()
    assert still_runs("x.y")
    stubborn.released.set()
    await clock.settle()
