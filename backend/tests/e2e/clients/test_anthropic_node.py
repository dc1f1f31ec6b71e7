"""Anthropic's own client for Node against the running platform, whatever the model behind it."""

from typing import Any

import pytest

from tests.e2e.clients.conftest import Script
from tests.e2e.features import ANSWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHATTING = ["demo", "peer/platform-demo", "ollama/chat"]


def texts(message: Any) -> list[str]:
    return [block["text"] for block in message["content"] if block["type"] == "text"]


def read(usage: Any) -> int:
    return int(usage["input_tokens"] + (usage.get("cache_read_input_tokens") or 0))


@pytest.mark.parametrize("model", CHATTING)
async def test_a_message(script: Script, model: str) -> None:
    found = await script("anthropic/message", model)
    message = found["message"]
    assert texts(message) == [ANSWER]
    assert (message["type"], message["role"], message["stop_reason"]) == ("message", "assistant", "end_turn")
    assert read(message["usage"]) > 3
    assert message["usage"]["output_tokens"] > 10
    assert found["request_id"] == found["own_id"] != ""


@pytest.mark.parametrize("model", CHATTING)
async def test_the_stream_helper(script: Script, model: str) -> None:
    found = await script("anthropic/stream", model)
    assert found["seen"] == ["connect", "contentBlock", "message", "finalMessage", "end"]
    assert len(found["texts"]) > 3
    assert "".join(found["texts"]) == found["snapshot"] == found["text"] == ANSWER
    assert texts(found["message"]) == [ANSWER]
    assert found["message"]["stop_reason"] == "end_turn"
    assert found["message"]["usage"]["output_tokens"] > 10
    assert found["request_id"]
    assert [found["kinds"][0], *found["kinds"][-2:]] == ["message_start", "message_delta", "message_stop"]


async def test_events_and_a_limit(script: Script) -> None:
    events = await script("anthropic/raw_stream")
    assert [event["index"] for event in events if "index" in event] == [0] * (len(events) - 3)
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"
    assert events[-2]["usage"]["output_tokens"] == 3


@pytest.mark.parametrize("model", ["demo", "peer/platform-demo"])
async def test_a_tool(script: Script, model: str) -> None:
    found = await script("anthropic/tools", model)
    for message in (found["whole"], found["streamed"]):
        assert message["stop_reason"] == "tool_use"
        call = next(block for block in message["content"] if block["type"] == "tool_use")
        assert call["name"] == "get_pods"
        assert call["input"]["namespace"] in ("default", "kube-system")
    assert "".join(found["pieces"]).startswith("{")
    assert found["after"]["stop_reason"] in ("end_turn", "max_tokens", "tool_use")
    assert found["after"]["content"]


async def test_the_clients_own_loop_of_calls(script: Script) -> None:
    found = await script("anthropic/tool_runner")
    # It forces no call but the first.
    assert [answer["stop_reason"] for answer in found["answers"]] == ["tool_use", "end_turn"]
    assert found["inputs"]
    assert all(each["namespace"] in ("default", "kube-system") for each in found["inputs"])


async def test_a_count_is_what_an_answer_takes(script: Script) -> None:
    found = await script("anthropic/count")
    assert found["how"] == "exact"
    assert found["count"] == {"input_tokens": read(found["usage"])}


async def test_models(script: Script) -> None:
    found = await script("anthropic/models")
    ids = [model["id"] for model in found["listed"]]
    assert {"demo", "smart"} <= set(ids)
    assert len(set(ids)) == len(ids)
    assert (found["one"]["type"], found["one"]["id"]) == ("model", "demo")


async def test_errors_by_class(script: Script) -> None:
    found = await script("anthropic/errors")
    classes = {
        "unknown_model": ("NotFoundError", 404, "not_found_error"),
        "odd_temperature": ("BadRequestError", 400, "invalid_request_error"),
        "no_messages": ("BadRequestError", 400, "invalid_request_error"),
        "too_long": ("BadRequestError", 400, "invalid_request_error"),
        "away": ("OverloadedError", 529, "overloaded_error"),
    }
    for name, expected in classes.items():
        for fault in (found[name], found[f"{name}, streaming"]):
            assert (fault["name"], fault["status"], fault["type"]) == expected
            assert fault["request_id"]
    assert "prompt is too long" in found["too_long"]["message"]
    assert (found["wrong_key"]["name"], found["wrong_key"]["type"]) == (
        "AuthenticationError",
        "authentication_error",
    )


@pytest.mark.parametrize("model", CHATTING)
async def test_leaving_a_stream(script: Script, model: str) -> None:
    found = await script("anthropic/abort", model)
    assert (found["word"], found["ended"], found["aborted"]) == ("A", "APIUserAbortError", True)
    assert found["next"]["stop_reason"] == "max_tokens"
