"""No call outlives its answer: in a circle only the garbage collector would find it, and that stops everything."""

import gc
from contextlib import aclosing

from app.inference.call import Attempt, Call
from tests.contract.parity.matrix import platform
from tests.contract.parity.scenarios import ANSWERS, Scenario
from tests.rest.gateway import eventually

PLAIN: Scenario = ANSWERS[0]


def calls() -> list[object]:
    return [each for each in gc.get_objects() if type(each) in (Call, Attempt)]


async def test_no_call_is_left_to_the_garbage_collector() -> None:
    async with platform() as everything:
        gc.collect()
        gc.disable()
        try:
            others = calls()  # of other tests
            for front_end in everything.front_ends:
                everything.gateway.play(*PLAIN.scripts)
                async with aclosing(front_end.ask(PLAIN.asking)) as pieces:
                    assert [piece async for piece in pieces]
                assert len(everything.gateway.begun) == 1
                everything.gateway.begun.clear()
                for provider in everything.gateway.providers:
                    provider.exchanges.clear()
                await eventually(lambda: len(calls()) <= len(others), seconds=10.0)
        finally:
            gc.enable()
