"""One integration that hangs, crashes or is slow never delays the others, wherever it does so (R12)."""

import asyncio

import pytest

from app.core.integration_framework import StateChanged, Timeouts
from app.testing.faults import IMPORT_GATE, Fault
from tests.unit.core.integration_framework.scripted import Platform, S, config

PLACES = [
    ("constructor", Fault.CRASH, S.FAILED, "ZeroDivisionError: crashed on demand"),
    ("constructor", Fault.EXIT, S.FAILED, "tried to exit the program"),
    ("constructor", Fault.CANCEL, S.FAILED, "cancelled itself"),
    ("constructor", Fault.NOT_READY, S.RETRYING, "not ready on demand"),
    ("initialize", Fault.HANG, S.RETRYING, "bad.initialize did not finish within 30 s"),
    ("initialize", Fault.HANG_HARD, S.RETRYING, "bad.initialize did not finish within 30 s"),
    ("initialize", Fault.CRASH, S.FAILED, "ZeroDivisionError: crashed on demand"),
    ("initialize", Fault.EXIT, S.FAILED, "tried to exit the program"),
    ("initialize", Fault.CANCEL, S.FAILED, "bad.initialize cancelled itself"),
    ("health_check", Fault.HANG, S.DEGRADED, "bad.health_check did not finish within 10 s"),
    ("health_check", Fault.HANG_HARD, S.DEGRADED, "bad.health_check did not finish within 10 s"),
    ("health_check", Fault.CRASH, S.DEGRADED, "crashed on demand"),
    ("health_check", Fault.EXIT, S.DEGRADED, "tried to exit the program"),
    ("health_check", Fault.CANCEL, S.DEGRADED, "cancelled itself"),
]


async def advance_until(platform: Platform, name: str, state: S) -> None:
    for _ in range(200):
        if platform.state(name) is state:
            return
        await platform.clock.advance(1.0)
    raise AssertionError(f"{name} is {platform.manager.status_of(name)}, not {state}")


@pytest.mark.parametrize(("place", "fault", "state", "reason"), PLACES)
async def test_the_others_serve_and_status_says_which_and_why(
    place: str, fault: Fault, state: S, reason: str
) -> None:
    bad = config("bad", kind="fault", settings={place: fault}, health_check_interval=60)
    async with Platform(bad, config("good"), config("above", "good"), config("stuck", "bad")) as platform:
        await platform.start()
        assert platform.state("good") is platform.state("above") is S.READY
        await advance_until(platform, "bad", state)
        assert reason in platform.manager.status_of("bad").reason
        assert platform.state("good") is platform.state("above") is S.READY
        assert platform.state("stuck") is (S.READY if state.serves else S.BLOCKED)


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HANG_HARD, Fault.CRASH, Fault.EXIT, Fault.CANCEL])
async def test_a_bad_shutdown_holds_up_nobody_it_does_not_depend_on(fault: Fault) -> None:
    bad = config("bad", "base", kind="fault", settings={"shutdown": fault})
    platform = Platform(bad, config("base"), config("good"), config("above", "good"))
    await platform.start()
    stopping = asyncio.create_task(platform.manager.stop())
    await platform.clock.settle()
    assert platform.state("good") is platform.state("above") is S.STOPPED

    await platform.clock.advance(11.0)
    assert list(stopping.result()) == ["bad"]
    assert set(platform.states().values()) == {S.STOPPED}


class TestImport:
    """The only tests here with a real thread, so with real time for it to be scheduled in."""

    @pytest.fixture(autouse=True)
    def _gate(self) -> object:
        IMPORT_GATE.shut()
        yield IMPORT_GATE
        IMPORT_GATE.crash = False
        IMPORT_GATE.open()

    @staticmethod
    async def settled_for_real(platform: Platform, name: str, *states: S) -> None:
        reached = asyncio.Event()

        def look(_: StateChanged | None = None) -> None:
            if platform.state(name) in states:
                reached.set()

        platform.manager.events.subscribe(StateChanged, look)
        look()
        async with asyncio.timeout(10.0):
            await reached.wait()

    async def test_one_that_hangs_is_reported_and_comes_up_when_it_has_ended(self) -> None:
        late = config("late", kind="faulty_import", retry_config={"max_retries": 1, "max_backoff": 5})
        async with Platform(late, config("good")) as platform:
            await platform.start()
            assert await asyncio.to_thread(IMPORT_GATE.reached.wait, 10.0)
            assert platform.states() == {"late": S.INITIALIZING, "good": S.READY}

            await platform.clock.advance(Timeouts().load - 5.0)
            assert platform.state("late") is S.RETRYING
            assert platform.manager.status_of("late").reason == "late: import did not finish within 60 s"

            await platform.clock.advance(5.0)
            IMPORT_GATE.open()
            await self.settled_for_real(platform, "late", S.READY)

    async def test_one_that_crashes_fails_alone(self) -> None:
        IMPORT_GATE.crash = True
        IMPORT_GATE.open()
        async with Platform(config("late", kind="faulty_import"), config("good")) as platform:
            starting = asyncio.create_task(platform.manager.start())
            await self.settled_for_real(platform, "late", S.FAILED)
            await starting
            assert platform.state("good") is S.READY
            assert "ImportError: its import crashed on demand" in platform.manager.status_of("late").reason

    async def test_two_that_need_the_same_code_wait_for_one_import(self) -> None:
        configs = [config(name, kind="faulty_import") for name in ("one", "two")]
        async with Platform(*configs) as platform:
            await platform.start()
            IMPORT_GATE.open()
            await self.settled_for_real(platform, "one", S.READY)
            await self.settled_for_real(platform, "two", S.READY)
            classes = {type(platform.manager.get_integration(name)) for name in ("one", "two")}
            assert len(classes) == 1
