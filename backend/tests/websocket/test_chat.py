"""/ws/chat: every frame there is, several calls at once, and what a wrong request is answered with."""

import asyncio
from typing import Any

import pytest

from app.api.websocket.chat import MOST_CALLS
from app.domain.chat import TokenLogprob
from app.domain.errors import (
    BudgetExceeded,
    ContextLengthExceeded,
    Overloaded,
    PlatformError,
    RateLimited,
    UpstreamUnavailable,
)
from app.domain.events import (
    Finished,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.testing.providers import ScriptedProvider, Step
from tests.servers.routing import PRICED, one_place
from tests.websocket.gateway import ANSWER, HI, START, USAGE, client, eventually, gateway, text


def no_end() -> list[Step]:
    """One delta, then nothing for ever."""
    return [START, TextDelta(text="Hel"), asyncio.Event()]


async def test_a_message_is_answered_with_deltas_and_done() -> None:
    async with gateway() as platform, client(platform) as socket:
        frames = await socket.ask(id="a")
        done = frames[-1]
        assert frames[:-1] == [{"id": "a", "type": "delta", "message": piece} for piece in ("Hel", "lo")]
        assert (done["id"], done["finish_reason"], done["usage"], done["model"]) == ("a", "stop", USAGE, "model")
        (record,) = platform.records
        assert (record.id, record.front_end, record.outcome) == (done["request_id"], "websocket", "ok")


async def test_done_tells_what_the_answer_cost_where_a_price_is_known() -> None:
    async with gateway() as platform, client(platform) as socket:
        assert "cost" not in (await socket.ask())[-1]
        platform.catalog.rebuild(PRICED)
        assert (await socket.ask())[-1]["cost"] == 203e-6


async def test_without_an_id_the_request_id_is_the_id() -> None:
    async with gateway() as platform, client(platform) as socket:
        frames = await socket.ask()
        assert {frame["id"] for frame in frames} == {frames[-1]["request_id"]}


async def test_parameters_and_messages_are_those_of_a_chat_completion() -> None:
    async with gateway() as platform, client(platform) as socket:
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
        await socket.send(
            id=7, type="chat", model="model", messages=messages, temperature=0.5, max_tokens=9, tools=[tool],
            own_field={"kept": True}, stream=False,
        )  # fmt: skip
        assert (await socket.frames())[-1]["id"] == 7
        request = platform.provider.exchanges[0].request
        assert (request.sampling.temperature, request.sampling.max_output_tokens) == (0.5, 9)
        assert [message.role for message in request.messages] == ["system", "user"]
        assert request.tools[0].name == "look"
        assert request.extensions == {"openai_chat": {"own_field": {"kept": True}, "max_tokens": 9}}
        assert (request.stream, request.include_usage, platform.provider.exchanges[0].stream) == (True, True, True)


async def test_every_kind_of_event_has_its_frame() -> None:
    script = [
        START,
        ReasoningDelta(text="hm"),
        TextDelta(text="é🙂"),
        TextDelta(text="l", logprobs=(TokenLogprob(token="l", logprob=-0.5),)),
        TextDelta(text=""),
        RefusalDelta(text="no"),
        ToolCallStarted(index=0, id="call_1", name="look"),
        ToolCallDelta(index=0, arguments='{"a":'),
        ToolCallDelta(index=0, arguments="1}"),
        TextDelta(text="second", choice=1),
        Finished(reason="tool_calls"),
        Finished(reason="length", choice=1),
    ]
    async with gateway(ScriptedProvider(script)) as platform, client(platform) as socket:
        *frames, done = await socket.ask(id="a")
        top = {"token": "l", "logprob": -0.5, "bytes": None, "top_logprobs": []}
        assert [{**frame, "id": None} for frame in frames] == [
            {"id": None, "type": "reasoning", "message": "hm"},
            {"id": None, "type": "delta", "message": "é🙂"},
            {"id": None, "type": "delta", "message": "l", "logprobs": {"content": [top]}},
            {"id": None, "type": "refusal", "message": "no"},
            {"id": None, "type": "tool_call", "index": 0, "call_id": "call_1", "name": "look", "arguments": ""},
            {"id": None, "type": "tool_call", "index": 0, "arguments": '{"a":'},
            {"id": None, "type": "tool_call", "index": 0, "arguments": "1}"},
            {"id": None, "type": "delta", "message": "second", "choice": 1},
        ]
        assert (done["finish_reason"], done["finish_reasons"]) == ("tool_calls", ["tool_calls", "length"])
        assert done["usage"] is None


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (ContextLengthExceeded("too long"), (400, "invalid_request_error", "context_length_exceeded")),
        (RateLimited("slow down", retry_after=7.0), (429, "rate_limit_exceeded", "rate_limit_exceeded")),
        (BudgetExceeded("spent"), (429, "insufficient_quota", "insufficient_quota")),
        (Overloaded("full"), (503, "server_error", None)),
        (UpstreamUnavailable("'scripted' is away"), (503, "server_error", None)),
        (ZeroDivisionError("secret"), (502, "server_error", None)),
    ],
)
@pytest.mark.parametrize("under_way", [False, True])
async def test_a_failure_is_an_error_frame_and_leaves_the_socket_open(
    error: Exception, wanted: tuple[object, ...], under_way: bool
) -> None:
    before: list[Step] = [*ANSWER[:2]] if under_way else []
    async with gateway(ScriptedProvider([*before, error], ANSWER)) as platform, client(platform) as socket:
        failed = (await socket.ask(id="a"))[-1]
        status, kind, code = wanted
        assert (failed["type"], failed["id"], failed["status"], failed["error"]["type"]) == (
            "error",
            "a",
            status,
            kind,
        )
        assert code is None or failed["error"]["code"] == code
        assert set(failed["error"]) == {"message", "type", "param", "code"}
        assert failed.get("retry_after") == (error.retry_after if isinstance(error, PlatformError) else None)
        assert "secret" not in str(failed)
        assert failed["request_id"] == platform.records[0].id
        assert text(await socket.ask(id="a")) == "Hello"


async def test_an_answer_in_foreign_bytes_is_a_defect_and_not_passed_on() -> None:
    provider = ScriptedProvider([Opaque("openai_chat", b"data: {}\n\n")])
    async with gateway(provider) as platform, client(platform) as socket:
        assert (await socket.ask(id="a"))[-1]["status"] == 500
        assert provider.closed == 1


BAD: list[tuple[dict[str, Any], str, str | None]] = [
    ({"model": "model"}, "missing_field", "message"),
    ({"message": "hi"}, "missing_field", "model"),
    ({"message": "hi", "model": "nobody"}, "model_not_found", "model"),
    ({"message": "hi", "model": 3}, "invalid_type", "model"),
    ({"message": ["hi"], "model": "model"}, "invalid_type", "message"),
    ({"message": "hi", "messages": [], "model": "model"}, "invalid_value", "message"),
    ({"messages": [], "model": "model"}, "invalid_type", "messages"),
    ({"messages": "hi", "model": "model"}, "invalid_type", "messages"),
    ({"messages": "hi", "model": "model", "history": True}, "invalid_type", "messages"),
    ({"messages": [{"role": "user", "content": 3}], "model": "model"}, "invalid_type", "messages[0].content"),
    ({**HI, "temperature": "hot"}, "invalid_type", "temperature"),
    ({**HI, "stream_options": 3}, "invalid_type", "stream_options"),
    ({**HI, "history": 1}, "invalid_type", "history"),
    ({**HI, "type": "shout"}, "invalid_value", "type"),
    ({**HI, "type": 3}, "invalid_type", "type"),
    ({"type": "cancel"}, "missing_field", "id"),
    ({**HI, "id": {}}, "invalid_type", "id"),
    ({**HI, "id": True}, "invalid_type", "id"),
    ({**HI, "id": ""}, "invalid_type", "id"),
    ({**HI, "id": "x" * 201}, "invalid_type", "id"),
]


async def test_a_wrong_request_is_told_what_is_wrong() -> None:
    async with gateway() as platform, client(platform) as socket:
        for fields, code, param in BAD:
            await socket.send(**fields)
            (failed,) = await socket.frames()
            assert (failed["error"]["code"], failed["error"]["param"]) == (code, param), (fields, failed)
        assert platform.provider.exchanges == []
        assert text(await socket.ask()) == "Hello"


RAW: list[tuple[str | bytes, str]] = [
    ("", "invalid_json"),
    ("{", "invalid_json"),
    ("[]", "invalid_type"),
    ("null", "invalid_type"),
    ('{"message":"\\ud800","model":"model"}', "invalid_json"),
    ('{"a":' * 65 + "1" + "}" * 65, "nested_too_deep"),
    ("[" * 100_000, "nested_too_deep"),
    (b'{"message":"hi","model":"model"}', "binary_frame"),
]


async def test_what_is_no_frame_is_refused_and_the_socket_stays() -> None:
    async with gateway() as platform, client(platform) as socket:
        for raw, code in RAW:
            await socket.connection.send(raw)
            (failed,) = await socket.frames()
            assert (failed["id"], failed["error"]["code"]) == (None, code), raw[:40]
        assert text(await socket.ask()) == "Hello"


@pytest.mark.parametrize("depth", [64, 65])
async def test_the_depth_has_both_sides(depth: int) -> None:
    async with gateway() as platform, client(platform) as socket:
        nested: object = 1
        for _ in range(depth - 1):
            nested = [nested]
        ended = (await socket.ask(own=nested))[-1]
        assert ended["type"] == ("done" if depth == 64 else "error")


async def test_a_message_over_the_limit_closes_with_1009() -> None:
    async with gateway(frame_bytes=1000) as platform:
        async with client(platform) as socket:
            frame = '{"model":"model","message":"hi"}'
            await socket.connection.send(frame.ljust(1000))
            assert (await socket.frames())[-1]["type"] == "done"
            await socket.connection.send(frame.ljust(1001))
            assert await socket.closed() == 1009
        async with client(platform) as socket:
            await socket.connection.send(["x" * 600, "y" * 600])
            assert await socket.closed() == 1009
        async with client(platform) as socket:
            await socket.connection.send([""] * 2000)
            assert await socket.closed() == 1009


async def test_calls_on_one_socket_run_side_by_side() -> None:
    gates = [asyncio.Event() for _ in range(3)]
    scripts = [
        [START, TextDelta(text=f"{number}"), gate, TextDelta(text=f"{number}"), *ANSWER[3:]]
        for number, gate in enumerate(gates)
    ]
    async with gateway(ScriptedProvider(*scripts)) as platform, client(platform) as socket:
        for number in range(3):
            await socket.send(**HI, id=number)
            assert await socket.frame() == {"id": number, "type": "delta", "message": f"{number}"}
        for number in (1, 0, 2):
            gates[number].set()
            frames = await socket.frames(number)
            assert (text(frames), {frame["id"] for frame in frames}) == (f"{number}", {number})


async def test_an_id_names_one_call_at_a_time() -> None:
    async with gateway(ScriptedProvider(no_end(), ANSWER)) as platform, client(platform) as socket:
        await socket.send(**HI, id="a")
        await socket.frame()
        await socket.send(**HI, id="a")
        failed = await socket.frame()
        assert (failed["id"], failed["error"]["code"], failed["status"]) == (None, "duplicate_id", 409)
        assert len(platform.provider.exchanges) == 1


async def test_calls_at_once_are_bounded() -> None:
    async with gateway(ScriptedProvider(no_end())) as platform, client(platform) as socket:
        for number in range(MOST_CALLS):
            await socket.send(**HI, id=number)
            await socket.frame()
        failed = (await socket.ask(id="over"))[-1]
        assert (failed["id"], failed["status"], failed["error"]["code"]) == ("over", 429, "too_many_calls")
        await socket.send(type="cancel", id=3)
        assert (await socket.frame())["finish_reason"] == "cancelled"
        await socket.send(**HI, id="over")
        assert (await socket.frame())["type"] == "delta"
    assert platform.provider.closed == MOST_CALLS + 1


async def test_a_call_that_waits_for_a_place_says_how_many_are_ahead() -> None:
    async with gateway() as platform, client(platform) as socket:
        platform.catalog.rebuild(one_place())
        slots = platform.catalog.current.entry("one").targets[0].vitals.slots
        assert slots.take_free()
        for place, id in enumerate("ab"):
            await socket.send(message="hi", model="one", id=id)
            assert await socket.frame() == {"id": id, "type": "queued", "ahead": place}
        slots.give_back(0.001)
        assert (await socket.frames("a"))[-1]["type"] == "done"


@pytest.mark.parametrize("under_way", [False, True])
async def test_cancel_closes_the_upstream_and_says_done(under_way: bool) -> None:
    provider = ScriptedProvider(no_end() if under_way else [asyncio.Event()], ANSWER)
    async with gateway(provider) as platform, client(platform) as socket:
        await socket.send(**HI, id="a")
        if under_way:
            await socket.frame()
        await eventually(lambda: provider.exchanges)
        await socket.send(type="cancel", id="a")
        done = await socket.frame()
        assert (done["id"], done["type"], done["finish_reason"]) == ("a", "done", "cancelled")
        assert (provider.closed, platform.records[0].outcome) == (1, "cancelled")
        await socket.send(type="cancel", id="a")
        assert text(await socket.ask(id="a")) == "Hello"


async def test_a_cancel_on_the_heels_of_its_call_is_answered_too() -> None:
    async with gateway(ScriptedProvider(no_end())) as platform, client(platform) as socket:
        for number in range(50):
            await socket.send(**HI, id=number)
            await socket.send(type="cancel", id=number)
            assert (await socket.frames(number))[-1]["finish_reason"] == "cancelled"
        await eventually(lambda: len(platform.records) == len(platform.provider.exchanges))


async def test_usage_is_told_as_in_rest() -> None:
    usage = Usage(input_tokens=9, output_tokens=4, cached_tokens=5, reasoning_tokens=3)
    script = [*ANSWER[:4], UsageReported(usage=usage)]
    async with gateway(ScriptedProvider(script)) as platform, client(platform) as socket:
        assert (await socket.ask())[-1]["usage"] == {
            "prompt_tokens": 9,
            "completion_tokens": 4,
            "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 3},
        }
