"""Stages of plugins: in their order, with their own request, and gone when they are."""

from collections.abc import Callable, Sequence

from app.domain.chat import ChatRequest, Message, TextPart
from app.domain.events import EventStream
from app.domain.whole import Whole
from app.inference.call import Call
from app.inference.stages.plugged import CallStage, PluggedStages, Proceed
from tests.unit.inference.targets import call_for


class Saying:
    """Puts its word at the end of the prompt."""

    def __init__(self, word: str) -> None:
        self.word = word

    async def on_call(self, call: Call, proceed: Proceed) -> EventStream:
        request: ChatRequest = call.request
        call.replace(ChatRequest(model=request.model, messages=(*request.messages, said(self.word))))
        return await proceed(call)


def said(text: str) -> Message:
    return Message(role="user", content=(TextPart(text=text),))


async def heard(stages: Sequence[CallStage]) -> list[str]:
    plugged, calls = PluggedStages(), list[Call]()
    plugged.stages = [stage.on_call for stage in stages]

    async def last(call: Call) -> EventStream:
        calls.append(call)
        return Whole(())

    decode: Callable[[], ChatRequest] = lambda: ChatRequest(model="m", messages=(said("hi"),))  # noqa: E731
    await plugged(call_for(decode=decode), last)
    [call] = calls
    return [
        part.text for message in call.request.messages for part in message.content if isinstance(part, TextPart)
    ]


async def test_each_adds_to_what_the_one_before_it_made() -> None:
    assert await heard([Saying("first"), Saying("second")]) == ["hi", "first", "second"]


async def test_without_any_a_call_is_what_it_was() -> None:
    assert await heard([]) == ["hi"]


def test_whoever_has_the_method_is_one() -> None:
    assert isinstance(Saying(""), CallStage)
