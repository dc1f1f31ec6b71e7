"""A stream folded into a result, and back."""

import copy
from collections.abc import AsyncIterator, Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.chat import (
    ChatResult,
    Choice,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TokenLogprob,
    ToolCall,
)
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import InternalError, ProviderProtocolError, UnsupportedFeature
from app.domain.events import (
    Finished,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.streams import Collector, collect, explode
from app.domain.usage import Usage

_STARTED = Started(id="a", model="m", created=1)


async def stream(events: Iterable[StreamEvent]) -> AsyncIterator[StreamEvent]:
    for event in events:
        yield event


async def test_deltas_join_in_their_order() -> None:
    usage = Usage(input_tokens=1, output_tokens=2)
    events: list[StreamEvent] = [
        _STARTED,
        ReasoningDelta(text="h"),
        ReasoningDelta(text="m"),
        ReasoningDelta(text="", signature="s"),
        ReasoningDelta(text="more"),
        TextDelta(text="a", logprobs=(TokenLogprob(token="a", logprob=-1.0),)),
        TextDelta(text="x", choice=1),
        TextDelta(text=""),
        TextDelta(text="b", logprobs=(TokenLogprob(token="b", logprob=-2.0),)),
        ToolCallStarted(index=0, id="c0", name="f"),
        ToolCallStarted(index=1, id="c1", name="g"),
        ToolCallDelta(index=0, arguments="{"),
        ToolCallDelta(index=1, arguments="[]"),
        ToolCallDelta(index=0, arguments="}"),
        TextDelta(text="c"),
        RefusalDelta(text="n"),
        RefusalDelta(text="o"),
        Finished(reason="stop", stop_sequence="END"),
        Finished(reason="length", choice=1),
        UsageReported(usage=usage),
    ]
    assert await collect(stream(events)) == ChatResult(
        id="a",
        model="m",
        created=1,
        choices=(
            Choice(
                index=0,
                message=Message(
                    role="assistant",
                    content=(
                        ReasoningPart(text="hm", signature="s"),
                        ReasoningPart(text="more"),
                        TextPart(text="ab"),
                        ToolCall(id="c0", name="f", arguments="{}"),
                        ToolCall(id="c1", name="g", arguments="[]"),
                        TextPart(text="c"),
                        RefusalPart(text="no"),
                    ),
                ),
                finish_reason="stop",
                stop_sequence="END",
                logprobs=(TokenLogprob(token="a", logprob=-1.0), TokenLogprob(token="b", logprob=-2.0)),
            ),
            Choice(
                index=1,
                message=Message(role="assistant", content=(TextPart(text="x"),)),
                finish_reason="length",
            ),
        ),
        usage=usage,
    )


def test_extensions_join_by_their_level() -> None:
    events = [
        TextDelta(text="", extensions={"f": {"result": {"a": "x", "l": [1]}, "choice": {"ids": [1], "w": "x"}}}),
        TextDelta(text="", extensions={"f": {"message": {"audio": {"id": "i", "data": "AA"}, "type": "t"}}}),
        TextDelta(text="", extensions={"f": {"result": {"a": "y", "l": [2]}, "choice": {"ids": [2], "w": "y"}}}),
        TextDelta(text="", extensions={"f": {"message": {"audio": {"id": "i", "data": "BB"}, "type": "t"}}}),
        TextDelta(text="", extensions={"f": {"message": {"d": [{"index": 0, "text": "a"}, {"index": 1}]}}}),
        TextDelta(
            text="",
            extensions={"f": {"message": {"d": [{"index": 0, "text": "b"}, 5]}}, "g": {"result": {"z": 1}}},
        ),
    ]
    before = copy.deepcopy([msgspec.to_builtins(event) for event in events])
    collector = Collector()
    collector.add(_STARTED)
    for event in events:
        collector.add(event)
    result = collector.result()
    assert result.extensions == {"f": {"a": "y", "l": [2]}, "g": {"z": 1}}
    assert result.choices[0].extensions == {"f": {"ids": [1, 2], "w": "y"}}
    assert result.choices[0].message.content == ()
    assert result.choices[0].message.extensions == {
        "f": {
            "audio": {"id": "i", "data": "AABB"},
            "type": "t",
            "d": [{"index": 0, "text": "ab"}, {"index": 1}, 5],
        }
    }
    assert [msgspec.to_builtins(event) for event in events] == before


async def test_a_stream_that_never_started() -> None:
    with pytest.raises(ProviderProtocolError):
        await collect(stream([TextDelta(text="a")]))


async def test_arguments_of_a_call_that_never_began() -> None:
    with pytest.raises(ProviderProtocolError):
        await collect(stream([_STARTED, ToolCallDelta(index=0, arguments="{}")]))


@pytest.mark.parametrize("event", [Opaque("f", b""), EmbeddingResult(model="m", vectors=())])
async def test_what_is_no_chat_cannot_be_collected(event: StreamEvent) -> None:
    with pytest.raises(InternalError):
        await collect(stream([event]))


def test_a_part_without_a_delta_cannot_be_exploded() -> None:
    message = Message(role="assistant", content=(ImagePart(url="u"),))
    result = ChatResult(id="a", model="m", created=1, choices=(Choice(index=0, message=message),))
    with pytest.raises(UnsupportedFeature):
        list(explode(result))


words = st.text(min_size=1)
kept = st.just({}) | st.dictionaries(
    st.sampled_from(["f", "g"]),
    st.dictionaries(words, st.none() | words | st.lists(st.integers()) | st.just({"a": 1}), min_size=1),
)
parts = st.one_of(
    st.builds(TextPart, text=words, extensions=kept),
    st.builds(ReasoningPart, text=words, signature=st.none() | words, extensions=kept),
    st.builds(RefusalPart, text=words, extensions=kept),
    st.builds(ToolCall, id=words, name=words, arguments=st.text(), extensions=kept),
)


def _normal(content: list[Part]) -> tuple[Part, ...]:
    """Neighbouring parts of one kind would be joined; a signature keeps thoughts apart."""
    normal: list[Part] = []
    for part in content:
        last = normal[-1] if normal else None
        signed = isinstance(last, ReasoningPart) and last.signature is not None
        if isinstance(part, ToolCall) or type(part) is not type(last) or signed:
            normal.append(part)
    return tuple(normal)


logprobs = st.lists(st.builds(TokenLogprob, token=words, logprob=st.floats(-9, 0)), max_size=2).map(tuple)
choices = st.builds(
    Choice,
    index=st.integers(),
    message=st.builds(Message, role=st.just("assistant"), content=st.lists(parts).map(_normal), extensions=kept),
    finish_reason=st.none() | st.sampled_from(["stop", "length", "tool_calls", "content_filter", "error"]),
    logprobs=logprobs,
    extensions=kept,
)
results = st.builds(
    ChatResult,
    id=st.text(),
    model=st.text(),
    created=st.integers(),
    choices=st.lists(choices, max_size=3, unique_by=lambda choice: choice.index).map(
        lambda some: tuple(sorted(some, key=lambda choice: choice.index))
    ),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(), extensions=kept),
    extensions=kept,
)


@settings(max_examples=200, deadline=None)
@given(results)
def test_an_exploded_result_collects_to_itself(result: ChatResult) -> None:
    collector = Collector()
    for event in explode(result):
        collector.add(event)
    assert collector.result() == result
