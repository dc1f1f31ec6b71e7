"""A conversation that the socket keeps."""

import asyncio

from app.domain.events import Finished, ReasoningDelta, StreamEvent, TextDelta, ToolCallDelta, ToolCallStarted
from app.testing.providers import ScriptedProvider
from tests.websocket.gateway import ANSWER, START, Client, Gateway, client, gateway, text

CALLS = [
    START,
    ReasoningDelta(text="thinking"),
    ToolCallStarted(index=0, id="call_1", name="look"),
    ToolCallDelta(index=0, arguments="{}"),
    Finished(reason="tool_calls"),
]


def asked(platform: Gateway) -> list[tuple[str, object]]:
    """Role and text of what the last request held."""
    messages = platform.provider.exchanges[-1].request.messages
    return [
        (message.role, "".join(getattr(part, "text", "*") for part in message.content)) for message in messages
    ]


async def say(socket: Client, message: str, **fields: object) -> dict[str, object]:
    return (await socket.ask(message=message, history=True, **fields))[-1]


async def test_each_turn_builds_on_those_before() -> None:
    async with gateway() as platform, client(platform) as socket:
        assert (await say(socket, "one"))["history"] == {"messages": 2, "dropped": 0}
        assert (await say(socket, "two"))["history"] == {"messages": 4, "dropped": 0}
        assert asked(platform) == [("user", "one"), ("assistant", "Hello"), ("user", "two")]
        alone = await socket.ask(message="aside")
        assert ("history" in alone[-1], asked(platform)) == (False, [("user", "aside")])
        await socket.send(type="reset", id="r")
        assert await socket.frame() == {"id": "r", "type": "reset"}
        await say(socket, "three")
        assert asked(platform) == [("user", "three")]
    async with gateway() as platform, client(platform) as first, client(platform) as second:
        await say(first, "mine")
        await say(second, "yours")
        assert asked(platform) == [("user", "yours")]


async def test_instructions_stay_in_front_and_are_kept_once() -> None:
    async with gateway() as platform, client(platform) as socket:
        system = {"role": "system", "content": "Be brief."}
        for number in range(2):
            await socket.send(
                model="model", history=True, messages=[system, {"role": "user", "content": f"{number}"}]
            )
            await socket.frames()
        await say(socket, "last")
        assert [role for role, _ in asked(platform)] == [
            "system",
            "user",
            "assistant",
            "user",
            "assistant",
            "user",
        ]


async def test_tool_calls_are_kept_and_thinking_is_not() -> None:
    async with gateway(ScriptedProvider(CALLS, ANSWER)) as platform, client(platform) as socket:
        await say(socket, "look")
        result = {"role": "tool", "tool_call_id": "call_1", "content": "42"}
        await socket.send(model="model", history=True, messages=[result])
        assert text(await socket.frames()) == "Hello"
        user, call, answer = platform.provider.exchanges[-1].request.messages
        assert [part.id for part in call.content] == ["call_1"]
        assert (user.role, answer.content[0].call_id) == ("user", "call_1")


async def test_a_turn_that_fails_or_is_cancelled_leaves_no_trace() -> None:
    scripts: list[list[object]] = [
        [START, TextDelta(text="half"), ValueError()], [START, TextDelta(text="half"), asyncio.Event()], [*ANSWER],
    ]  # fmt: skip
    async with gateway(ScriptedProvider(*scripts)) as platform, client(platform) as socket:  # type: ignore[arg-type]
        assert (await say(socket, "broken"))["type"] == "error"
        await socket.send(message="endless", model="model", history=True, id="a")
        await socket.frame()
        refused = await say(socket, "too early", id="b")
        assert refused["error"]["code"] == "turn_under_way"  # type: ignore[index]
        await socket.send(type="cancel", id="a")
        await socket.frames("a")
        await say(socket, "good")
        assert asked(platform) == [("user", "good")]


async def test_a_reset_under_way_forgets_the_answer_too() -> None:
    gate = asyncio.Event()
    script = [*ANSWER[:2], gate, *ANSWER[2:]]
    async with gateway(ScriptedProvider(script, ANSWER)) as platform, client(platform) as socket:
        await socket.send(message="old", model="model", history=True, id="a")
        await socket.frame()
        await socket.send(type="reset", id="r")
        await socket.frame()
        gate.set()
        assert "history" not in (await socket.frames("a"))[-1]
        await say(socket, "new")
        assert asked(platform) == [("user", "new")]


async def test_an_answer_too_long_to_keep_is_told() -> None:
    long: list[StreamEvent] = [START, *(TextDelta(text="x" * 100_000) for _ in range(3)), Finished(reason="stop")]
    async with gateway(ScriptedProvider(ANSWER, long, ANSWER)) as platform, client(platform) as socket:
        await say(socket, "one")
        assert (await say(socket, "two"))["history"] == {"messages": 2, "dropped": 2}
        await say(socket, "three")
        assert asked(platform) == [("user", "one"), ("assistant", "Hello"), ("user", "three")]
