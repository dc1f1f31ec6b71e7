"""OpenAI's own client for Node against the running platform, whatever the model behind it."""

import math

import pytest

from tests.e2e.clients.conftest import Script
from tests.e2e.features import ANSWER

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHATTING = ["demo", "peer/platform-demo", "ollama/chat"]
EMBEDDING = ["demo", "embedder/platform-demo", "ollama/embed"]


@pytest.mark.parametrize("model", CHATTING)
async def test_an_answer(script: Script, model: str) -> None:
    found = await script("openai/chat", model)
    answer = found["answer"]
    assert [choice["message"]["content"] for choice in answer["choices"]] == [ANSWER]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] > 10
    assert found["request_id"]


@pytest.mark.parametrize("model", CHATTING)
async def test_a_stream_and_its_helper(script: Script, model: str) -> None:
    found = await script("openai/chat_stream", model)
    words = [each["choices"][0]["delta"].get("content") or "" for each in found["chunks"] if each["choices"]]
    assert len(words) > 3
    assert "".join(words) == found["text"] == found["deltas"] == ANSWER
    assert found["chunks"][-1]["usage"]["completion_tokens"] > 10
    assert found["seen"] == ["connect", "content.done", "finalContent", "end"]
    assert found["completion"]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("model", ["demo", "peer/platform-demo"])
async def test_the_clients_own_loop_of_calls(script: Script, model: str) -> None:
    found = await script("openai/tools", model)
    assert found["inputs"]
    assert all(each["namespace"] in ("default", "kube-system") for each in found["inputs"])
    for turns in (found["whole"], found["streamed"]):
        call = turns[1]["tool_calls"][0]
        assert (turns[2]["role"], turns[2]["tool_call_id"], turns[2]["content"]) == ("tool", call["id"], "web-1")


@pytest.mark.parametrize("model", CHATTING)
async def test_a_schema_is_kept_to(script: Script, model: str) -> None:
    found = await script("openai/parsed", model)
    assert found.keys() == {"name", "ready"}
    assert isinstance(found["ready"], bool)


@pytest.mark.parametrize("model", CHATTING)
async def test_responses(script: Script, model: str) -> None:
    found = await script("openai/responses", model)
    whole, streamed = found["whole"], found["streamed"]
    assert (whole["status"], whole["output_text"]) == ("completed", ANSWER)
    assert found["deltas"] == streamed["output_text"] == ANSWER
    assert (found["kinds"][0], found["kinds"][-1]) == ("response.created", "response.completed")
    assert found["continued"]["previous_response_id"] == whole["id"] == found["fetched"]["id"]
    assert found["continued"]["usage"]["input_tokens"] > whole["usage"]["input_tokens"]
    assert found["gone"] == "NotFoundError"
    call = next(item for item in found["called"]["output"] if item["type"] == "function_call")
    assert call["name"] == "get_pods"


async def test_a_count_is_what_an_answer_takes(script: Script) -> None:
    found = await script("openai/responses")
    assert found["counted"]["input_tokens"] == found["continued"]["usage"]["input_tokens"]


@pytest.mark.parametrize("model", EMBEDDING)
async def test_embeddings(script: Script, model: str) -> None:
    found = await script("openai/embeddings", model)
    (pod, node), floats = (each["embedding"] for each in found["several"]["data"]), found["floats"]["data"][0]
    assert pod == pytest.approx(floats["embedding"], abs=1e-5)
    assert pod != pytest.approx(node, abs=1e-2)
    assert math.hypot(*pod) == pytest.approx(1.0, abs=1e-3)


async def test_models(script: Script) -> None:
    found = await script("openai/models")
    assert {"demo", "smart"} <= {model["id"] for model in found["listed"]}
    assert (found["one"]["object"], found["one"]["id"]) == ("model", "demo")


async def test_errors_by_class(script: Script) -> None:
    found = await script("openai/errors")
    classes = {
        "unknown_model": ("NotFoundError", 404, "model_not_found"),
        "odd_temperature": ("BadRequestError", 400, None),
        "too_long": ("BadRequestError", 400, "context_length_exceeded"),
        "away": ("InternalServerError", 503, None),
    }
    for name, expected in classes.items():
        for fault in (found[name], found[f"{name}, streaming"], found[f"{name}, responses"]):
            assert (fault["name"], fault["status"], expected[2] and fault["code"]) == expected
            assert fault["request_id"]
    assert found["odd_temperature"]["param"] == "temperature"
    assert (found["wrong_key"]["name"], found["wrong_key"]["code"]) == ("AuthenticationError", "invalid_api_key")
    assert found["no_response"]["name"] == "NotFoundError"


@pytest.mark.parametrize("model", ["demo", "peer/platform-demo"])
async def test_leaving_streams(script: Script, model: str) -> None:
    found = await script("openai/abort", model)
    assert found["words"] == ["A"] * 12
    assert found["aborted"]
    assert found["next"]["choices"][0]["finish_reason"] == "length"
