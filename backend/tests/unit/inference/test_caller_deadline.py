"""The caller's own deadline beside the platform's limits."""

import asyncio

import pytest

from app.domain.errors import DeadlineExceeded, UpstreamTimeout
from app.domain.events import Started, TextDelta
from app.inference.call import Attempt, Call, Target
from app.inference.policy import ModelPolicy, RoutingPolicy, Timeouts
from app.inference.stages.deadline import keep_time
from app.inference.vitals import Vitals
from app.testing.providers import ScriptedProvider, Step
from tests.unit.inference.targets import ASKED

START = Started(id="i", model="m", created=1)
LONG, SHORT = 30.0, 0.05


async def run(script: list[Step], deadline: float | None, timeouts: Timeouts, stream: bool = True) -> None:
    provider = ScriptedProvider(script)
    at = None if deadline is None else asyncio.get_running_loop().time() + deadline
    call = Call(id="c", operation="chat", model="m", decode=lambda: ASKED, stream=stream, deadline=at)
    target = Target(source=provider, model="m", vitals=Vitals(RoutingPolicy()))
    attempt = Attempt(call, target, policy=ModelPolicy(timeouts=timeouts))

    async def proceed(attempt: Attempt):  # type: ignore[no-untyped-def]
        return await provider.chat(None)  # type: ignore[arg-type]

    events = await keep_time(attempt, proceed)
    try:
        async for _ in events:
            pass
    finally:
        await events.aclose()
        assert provider.closed == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("before", [[], [START], [START, TextDelta(text="a")]], ids=len)
async def test_it_ends_the_attempt_as_the_callers_own(before: list[Step], stream: bool) -> None:
    with pytest.raises(DeadlineExceeded, match="caller set"):
        await run([*before, asyncio.Event()], SHORT, Timeouts(first_token=LONG, idle=LONG, total=LONG), stream)


@pytest.mark.parametrize("before", [[], [START]], ids=len)
async def test_a_later_one_leaves_the_fault_with_the_provider(before: list[Step]) -> None:
    with pytest.raises(UpstreamTimeout):
        await run([*before, asyncio.Event()], LONG, Timeouts(first_token=SHORT, idle=SHORT, total=LONG))


async def test_one_that_has_passed_already() -> None:
    with pytest.raises(DeadlineExceeded):
        await run([asyncio.Event()], -1.0, Timeouts())


@pytest.mark.parametrize("deadline", [None, LONG])
async def test_one_that_is_far_changes_nothing(deadline: float | None) -> None:
    await run([START, TextDelta(text="a")], deadline, Timeouts())
