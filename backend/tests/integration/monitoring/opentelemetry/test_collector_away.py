"""A collector that is gone, slow, or wrong is nobody's business but the integration's own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.asking import chat, status_of
from tests.servers.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.servers.whole_platform import Whole, whole_platform

ASKED = 40


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


@asynccontextmanager
async def traced(folder: Path, endpoint: str, **settings: Any) -> AsyncIterator[Whole]:
    wanted = {"endpoint": endpoint, "timeout": 0.3, **settings}
    integrations = {"opentelemetry": {"settings": wanted, "health_check_interval": 0.05}}
    async with whole_platform(folder, key=None, integrations=integrations) as whole:
        await whole.serves("opentelemetry")
        yield whole


async def ask(whole: Whole) -> None:
    replies = await asyncio.gather(*(chat(whole.port, "echo", stream=bool(n % 2)) for n in range(ASKED)))
    assert [reply.status for reply in replies] == [200] * ASKED


async def state(whole: Whole) -> str:
    found: str = (await status_of(whole.port, "opentelemetry"))["state"]
    return found


async def becomes_degraded(whole: Whole) -> None:
    async with asyncio.timeout(10):
        while await state(whole) != "degraded":
            await chat(whole.port, "echo")


CASES = ("gone", "slow", "wrong", "a full queue")


async def _away(receiver: OtlpReceiver, case: str) -> dict[str, Any]:
    match case:
        case "gone":
            return {"endpoint": "http://127.0.0.1:9"}
        case "slow" | "a full queue":
            receiver.hold = asyncio.Event()
        case "wrong":
            receiver.status = 400
    return {"endpoint": receiver.http, **({"queue_size": 3} if case == "a full queue" else {})}


@pytest.mark.parametrize("case", CASES)
async def test_nobody_else_notices(tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every request is answered; the state says what is wrong; the log says it once."""
    caplog.set_level(logging.WARNING)
    async with otlp_receiver() as receiver, traced(tmp_path, **await _away(receiver, case)) as whole:
        await ask(whole)
        await becomes_degraded(whole)
        await ask(whole)
    told = [
        record.message
        for record in caplog.records
        if record.name.endswith(".outbox") and "takes no" in record.message
    ]
    assert len(told) == 1
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


async def test_it_is_well_again_when_the_collector_is(tmp_path: Path) -> None:
    async with otlp_receiver() as receiver:
        receiver.status = 400
        async with traced(tmp_path, receiver.http, metrics=False) as whole:
            await becomes_degraded(whole)
            receiver.status = 200
            async with asyncio.timeout(10):
                while await state(whole) != "ready":
                    await chat(whole.port, "echo")
    assert receiver.spans
