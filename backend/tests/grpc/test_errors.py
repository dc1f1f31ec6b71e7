"""How a failure is told: every kind's status, what stands beside it, bad requests, and defects."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from app.api.grpc.errors import STATUS, encode
from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.domain.errors import ErrorKind, InvalidRequest, PlatformError, RateLimited, UpstreamUnavailable
from app.domain.events import EmbeddingResult, Opaque
from app.testing.providers import ScriptedProvider
from tests.grpc.server import ANSWER, ASK, failure, served


def test_every_kind_has_the_status_of_its_name() -> None:
    assert {kind: status.name for kind, status in STATUS.items()} == {kind: kind.name for kind in ErrorKind}


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The richer error model's messages, by name."""
    raw = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    status = Status.FromString(raw)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found = {}
    for packed in status.details:
        for cls in (BadRequest, ErrorInfo, RequestInfo, RetryInfo):
            if packed.Is(cls.DESCRIPTOR):
                message = cls()
                packed.Unpack(message)
                found[cls.__name__] = message
    return found


@pytest.mark.parametrize("method", ["Chat", "ChatUnary"])
async def test_a_failure_carries_all_there_is_to_say(method: str) -> None:
    error = RateLimited("Slow down.", code="too_fast", param="model", retry_after=1.2, provider="scripted")
    async with served(ScriptedProvider([error])) as platform:
        told = await failure(
            lambda: getattr(platform.inference, method)(ASK, metadata=(("x-request-id", "id-7"),))
        )
        assert (told.code(), told.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Slow down.")
        plain = dict(told.trailing_metadata() or ())
        assert plain["x-request-id"] == "id-7"
        assert (plain["error-code"], plain["error-param"], plain["retry-after"]) == ("too_fast", "model", "2")
        rich = details(told)
        assert (rich["ErrorInfo"].reason, rich["ErrorInfo"].domain) == ("TOO_FAST", "llm-platform")
        assert dict(rich["ErrorInfo"].metadata) == {"provider": "scripted"}
        assert rich["RequestInfo"].request_id == "id-7"
        assert rich["BadRequest"].field_violations[0].field == "model"
        assert rich["RetryInfo"].retry_delay.ToMilliseconds() == 1200


async def test_a_plain_failure_says_no_more_than_it_knows() -> None:
    async with served(ScriptedProvider([UpstreamUnavailable("down")])) as platform:
        told = await failure(lambda: platform.inference.Chat(ASK))
        assert set(details(told)) == {"ErrorInfo", "RequestInfo"}
        assert {"error-param", "retry-after"}.isdisjoint(dict(told.trailing_metadata() or ()))


@pytest.mark.parametrize("kind", ErrorKind)
async def test_every_kind_arrives(kind: ErrorKind) -> None:
    class Odd(PlatformError):
        pass

    Odd.kind = kind
    async with served(ScriptedProvider([Odd("odd")])) as platform:
        assert (await failure(lambda: platform.inference.ChatUnary(ASK))).code() is STATUS[kind]


def test_odd_texts_neither_break_the_answer_nor_the_metadata() -> None:
    refusal = encode(InvalidRequest("bad \ud800 é\nline", param="tools[0].\x00é\n"), "id")
    assert refusal.details == "bad ? é\nline"
    assert dict(refusal.trailing_metadata)["error-param"] == "tools[0].???"


async def test_a_message_in_any_language_arrives() -> None:
    async with served(ScriptedProvider([UpstreamUnavailable("Außer Betrieb: 停止中\n100 %")])) as platform:
        assert (await failure(lambda: platform.inference.Chat(ASK))).details() == "Außer Betrieb: 停止中\n100 %"


@pytest.mark.parametrize(
    "script",
    [[ZeroDivisionError("secret")], [*ANSWER[:2], ZeroDivisionError("secret")]],
    ids=["before", "in the middle"],
)
@pytest.mark.parametrize("method", ["Chat", "ChatUnary"])
async def test_a_defect_leaks_nothing(method: str, script: list[Any]) -> None:
    async with served(ScriptedProvider(script)) as platform:
        told = await failure(lambda: getattr(platform.inference, method)(ASK))
        assert told.code() is grpc.StatusCode.UNAVAILABLE
        assert "secret" not in str(told)


@pytest.mark.parametrize("event", [Opaque("openai_chat", b"{}"), EmbeddingResult(model="m", vectors=())])
async def test_an_answer_of_the_wrong_sort_is_the_providers_fault(event: Any) -> None:
    async with served(ScriptedProvider([event])) as platform:
        assert (await failure(lambda: platform.inference.Chat(ASK))).code() is grpc.StatusCode.DATA_LOSS
    async with served() as platform:
        request = pb.EmbedRequest(model="model", inputs=["a"])
        assert (await failure(lambda: platform.inference.Embed(request))).code() is grpc.StatusCode.DATA_LOSS


def ask(**fields: Any) -> pb.ChatRequest:
    return pb.ChatRequest(**{"model": "model", "prompt": "hi", **fields})


def say(**fields: Any) -> pb.ChatRequest:
    return pb.ChatRequest(model="model", messages=[pb.Message(**{"role": pb.ROLE_USER, **fields})])


TEXT = pb.Part(text="hi")
CALL = pb.Part(tool_call=pb.ToolCall(id="c", name="f"))
DEEP = '{"a":' * 65 + "1" + "}" * 65
BAD: dict[str, tuple[pb.ChatRequest, str]] = {
    "no model": (ask(model=""), "model"),
    "a model with a NUL": (ask(model="a\x00b"), "model"),
    "a model of 513 letters": (ask(model="x" * 513), "model"),
    "neither messages nor a prompt": (ask(prompt=""), "messages"),
    "messages and a prompt": (ask(messages=[pb.Message(role=pb.ROLE_USER)]), "prompt"),
    "no role": (say(role=pb.ROLE_UNSPECIFIED), "messages[0].role"),
    "a role of the future": (say(role=99), "messages[0].role"),
    "content twice": (say(content="a", parts=[TEXT]), "messages[0].content"),
    "a part of no kind": (say(parts=[pb.Part()]), "messages[0].parts[0]"),
    "an image of nothing": (say(parts=[TEXT, pb.Part(image=pb.Image())]), "messages[0].parts[1].image"),
    "image bytes of no type": (say(parts=[pb.Part(image=pb.Image(data=b"x"))]), "messages[0].parts[0].image"),
    "a tool that answers in text": (say(role=pb.ROLE_TOOL, content="a"), "messages[0].parts"),
    "a tool that answers nothing": (say(role=pb.ROLE_TOOL), "messages[0].parts"),
    "a result that calls": (
        say(role=pb.ROLE_TOOL, parts=[pb.Part(tool_result=pb.ToolResult(call_id="c", parts=[CALL]))]),
        "messages[0].parts[0].tool_result",
    ),
    "n of 0": (ask(n=0), "n"),
    "a tool of no name": (ask(tools=[pb.Tool()]), "tools[0].name"),
    "parameters that are no JSON": (ask(tools=[pb.Tool(name="f", parameters="{")]), "tools[0].parameters"),
    "parameters that are no object": (ask(tools=[pb.Tool(name="f", parameters="[]")]), "tools[0].parameters"),
    "parameters 65 deep": (ask(tools=[pb.Tool(name="f", parameters=DEEP)]), "tools[0].parameters"),
    "a tool choice of no name": (
        ask(tool_choice=pb.ToolChoice(mode=pb.ToolChoice.MODE_NAMED)),
        "tool_choice.name",
    ),
    "a tool choice of the future": (ask(tool_choice=pb.ToolChoice(mode=99)), "tool_choice.mode"),
    "a form without its schema": (
        ask(response_format=pb.ResponseFormat(kind=pb.ResponseFormat.KIND_JSON_SCHEMA)),
        "response_format.schema",
    ),
    "a form of the future": (ask(response_format=pb.ResponseFormat(kind=99)), "response_format.kind"),
}


@pytest.mark.parametrize(("request_", "param"), BAD.values(), ids=BAD.keys())
async def test_a_bad_request_is_told_which_field_to_change(request_: pb.ChatRequest, param: str) -> None:
    async with served() as platform:
        for method in (platform.inference.Chat, platform.inference.ChatUnary):
            told = await failure(lambda call=method: call(request_))
            assert told.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert dict(told.trailing_metadata() or ())["error-param"] == param
            assert len(told.details() or "") > 10
        assert platform.provider.exchanges == []


async def test_what_is_just_within_the_bounds_passes() -> None:
    request = ask(tools=[pb.Tool(name="f", parameters='{"a":' * 64 + "1" + "}" * 64)])
    async with served(ScriptedProvider(ANSWER, models=("model", "x" * 512))) as platform:
        await platform.inference.ChatUnary(request)
        await platform.inference.ChatUnary(ask(model="x" * 512))


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (pb.EmbedRequest(inputs=["a"]), "model"),
        (pb.EmbedRequest(model="model"), "inputs"),
        (pb.EmbedRequest(model="model", inputs=["a"], dimensions=0), "dimensions"),
    ],
)
async def test_a_bad_embedding_request(request_: pb.EmbedRequest, param: str) -> None:
    async with served() as platform:
        told = await failure(lambda: platform.inference.Embed(request_))
        assert told.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert dict(told.trailing_metadata() or ())["error-param"] == param


async def test_an_unknown_model_and_an_unknown_method() -> None:
    async with served() as platform:
        told = await failure(lambda: platform.inference.Chat(ask(model="../../etc/passwd")))
        assert told.code() is grpc.StatusCode.NOT_FOUND
        assert dict(told.trailing_metadata() or ())["error-code"] == "model_not_found"
        method = platform.channel.unary_unary("/llm_platform.v1.Inference/Nothing")
        assert (await failure(lambda: method(b""))).code() is grpc.StatusCode.UNIMPLEMENTED
        garbage = platform.channel.unary_unary("/llm_platform.v1.Inference/ChatUnary")
        assert (await failure(lambda: garbage(b"\xff\xff\xff"))).code() is not grpc.StatusCode.OK
        assert (await platform.inference.ChatUnary(ASK)).text == "Hello"
