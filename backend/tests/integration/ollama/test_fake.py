"""The Ollama fake against the official client: what the client understands, the fake says as Ollama does."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import ollama
import pytest

from tests.servers.ollama_engines import DemoEngine
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel

MESSAGES = [{"role": "user", "content": "What is a pod?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_pods",
        "description": "List pods",
        "parameters": {"type": "object", "properties": {"namespace": {"type": "string"}}},
    },
}


@pytest.fixture
async def fake() -> AsyncIterator[OllamaFake]:
    models = (
        FakeModel("demo:latest", parameters="num_ctx                        64"),
        FakeModel("thinker:8b", capabilities=("completion", "thinking"), architecture="qwen3"),
        FakeModel("vectors:latest", capabilities=("embedding",), architecture="bert"),
    )
    async with OllamaFake(*models, registry=[FakeModel("new:latest")]) as fake:
        yield fake


@pytest.fixture
async def client(fake: OllamaFake) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=fake.base_url) as client:
        yield client


async def test_chat(client: ollama.AsyncClient) -> None:
    answer = await client.chat("demo", MESSAGES)
    assert answer.message.role == "assistant"
    assert answer.message.content == "A pod is one or more containers."
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert answer.eval_count == 8
    assert answer.prompt_eval_count
    assert answer.total_duration


async def test_chat_streams(client: ollama.AsyncClient) -> None:
    chunks = [chunk async for chunk in await client.chat("demo", MESSAGES, stream=True)]
    assert "".join(chunk.message.content or "" for chunk in chunks) == "A pod is one or more containers."
    assert [chunk.done for chunk in chunks] == [False] * 8 + [True]
    assert chunks[-1].done_reason == "stop"


async def test_chat_calls_tools_and_takes_their_results(client: ollama.AsyncClient) -> None:
    answer = await client.chat("demo", MESSAGES, tools=[TOOL])
    (call,) = answer.message.tool_calls or ()
    assert (call.function.name, call.function.arguments) == ("get_pods", {"namespace": "pod"})
    turns = [*MESSAGES, answer.message, {"role": "tool", "content": "pod-1", "tool_name": "get_pods"}]
    assert (await client.chat("demo", turns, tools=[TOOL])).message.content


async def test_chat_thinks_unless_told_not_to(client: ollama.AsyncClient) -> None:
    assert (await client.chat("thinker:8b", MESSAGES)).message.thinking == "Let me think."
    assert (await client.chat("thinker:8b", MESSAGES, think=False)).message.thinking is None


async def test_chat_holds_to_a_schema(client: ollama.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    answer = await client.chat("demo", MESSAGES, format=schema)
    assert answer.message.content == '{"count": 7}'


async def test_chat_tells_log_probabilities(client: ollama.AsyncClient) -> None:
    answer = await client.chat("demo", MESSAGES, logprobs=True, top_logprobs=1)
    assert [each.token for each in answer.logprobs or ()][:2] == ["A", " pod"]
    assert (answer.logprobs or ())[0].top_logprobs


async def test_num_predict_ends_an_answer(client: ollama.AsyncClient) -> None:
    answer = await client.chat("demo", MESSAGES, options={"num_predict": 2})
    assert (answer.message.content, answer.done_reason) == ("A pod", "length")


@pytest.mark.parametrize("stream", [False, True])
async def test_generate(client: ollama.AsyncClient, fake: OllamaFake, stream: bool) -> None:
    if stream:
        chunks = [chunk async for chunk in await client.generate("demo", "Hello", stream=True, raw=True)]
        text = "".join(chunk.response or "" for chunk in chunks)
    else:
        text = (await client.generate("demo", "Hello", raw=True)).response or ""
    assert text == "A pod is one or more containers."
    assert fake.engine.prompts == ["Hello"]


async def test_embed(client: ollama.AsyncClient) -> None:
    answer = await client.embed("vectors", ["one", "two words"])
    assert [len(vector) for vector in answer.embeddings] == [4, 4]
    assert sum(value * value for value in answer.embeddings[0]) == pytest.approx(1)
    assert answer.prompt_eval_count == 3
    assert len((await client.embed("vectors", "one", dimensions=2)).embeddings[0]) == 2


async def test_list_show_ps(client: ollama.AsyncClient) -> None:
    listed = (await client.list()).models
    assert [model.model for model in listed] == ["demo:latest", "thinker:8b", "vectors:latest"]
    assert listed[0].details
    assert listed[0].details.quantization_level == "Q8_0"
    shown = await client.show("vectors")
    assert shown.capabilities == ["embedding"]
    assert shown.modelinfo
    assert shown.modelinfo["bert.context_length"] == 1024
    assert not (await client.ps()).models
    await client.chat("demo", MESSAGES, keep_alive="10m", options={"num_ctx": 512})
    (running,) = (await client.ps()).models
    assert (running.model, running.context_length) == ("demo:latest", 512)
    assert running.expires_at
    await client.generate("demo", "", keep_alive=0)
    assert not (await client.ps()).models


async def test_pull_then_delete(client: ollama.AsyncClient) -> None:
    steps = [step async for step in await client.pull("new", stream=True)]
    assert steps[0].status == "pulling manifest"
    assert steps[-1].status == "success"
    layers = [step for step in steps if step.digest]
    assert layers[-1].completed == layers[-1].total == 487
    assert "new:latest" in [model.model for model in (await client.list()).models]
    assert (await client.delete("new")).status == "success"
    assert "new:latest" not in [model.model for model in (await client.list()).models]
    assert (await client.pull("new")).status == "success"


@pytest.mark.parametrize(
    ("model", "arguments", "status", "text"),
    [
        ("none", {}, 404, "model 'none' not found"),
        ("vectors", {}, 400, "does not support chat"),
        ("demo", {"think": True}, 400, "does not support thinking"),
        ("thinker:8b", {"tools": [TOOL]}, 400, "does not support tools"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_refusals(
    client: ollama.AsyncClient, model: str, arguments: dict[str, object], status: int, text: str, stream: bool
) -> None:
    async def ask() -> None:
        answer = await client.chat(model, MESSAGES, stream=stream, **arguments)
        _ = [chunk async for chunk in answer]

    with pytest.raises(ollama.ResponseError, match=text) as caught:
        await ask()
    assert caught.value.status_code == status


async def test_a_failed_pull_is_told_within_the_stream(client: ollama.AsyncClient) -> None:
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        _ = [step async for step in await client.pull("nowhere", stream=True)]
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        await client.pull("nowhere")


LONG = [{"role": "user", "content": "word " * 400}, {"role": "user", "content": "What is a pod?"}]


async def test_a_long_prompt_is_cut_in_silence_as_by_the_real_one(
    client: ollama.AsyncClient, fake: OllamaFake
) -> None:
    answer = await client.chat("demo", LONG, options={"num_ctx": 64})
    assert answer.done_reason == "stop"
    assert 0 < (answer.prompt_eval_count or 0) < 64
    assert "word" not in fake.engine.prompts[0]
    await client.embed("vectors", "word " * 4000)


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"truncate": False, "shift": False}, "exceeds the available context size"),
        ({"truncate": False}, "exceeds the available context size"),
        ({"shift": False}, "longer than the context length"),
    ],
)
async def test_a_long_prompt_is_refused_when_nothing_may_be_cut(
    fake: OllamaFake, extra: dict[str, bool], text: str
) -> None:
    async with httpx.AsyncClient(base_url=fake.base_url) as http:
        body = {"model": "demo", "messages": LONG[:1], "options": {"num_ctx": 64}, **extra}
        answer = await http.post("/api/chat", json=body)
        embedded = await http.post(
            "/api/embed", json={"model": "vectors", "input": "word " * 4000, "truncate": False}
        )
    assert (answer.status_code, text in answer.json()["error"]) == (400, True)
    assert embedded.status_code == 400
    assert embedded.json() == {"error": "the input length exceeds the context length"}


async def test_what_is_not_ollama_s_client_sees_too(fake: OllamaFake) -> None:
    async with httpx.AsyncClient(base_url=fake.base_url) as http:
        streamed = await http.post("/api/chat", json={"model": "demo", "messages": MESSAGES})
        assert streamed.headers["content-type"] == "application/x-ndjson"
        assert (await http.post("/api/chat", content=b"")).json() == {"error": "missing request body"}
        assert (await http.post("/api/chat", content=b"x")).status_code == 400
        assert (await http.get("/api/nothing")).text == "404 page not found"
        assert (await http.get("/")).text == "Ollama is running"
        assert (await http.get("/api/version")).json() == {"version": "0.33.0"}


async def test_the_sync_client_too(fake: OllamaFake) -> None:
    def ask() -> str:
        with ollama.Client(host=fake.base_url) as client:
            return client.chat("demo", MESSAGES).message.content or ""

    assert await asyncio.to_thread(ask) == "A pod is one or more containers."


async def test_real_inference() -> None:
    async with (
        OllamaFake(FakeModel("demo:latest"), engine=DemoEngine()) as fake,
        ollama.AsyncClient(host=fake.base_url) as client,
    ):
        still = {"temperature": 0}
        whole = await client.chat("demo", MESSAGES, options=still)
        chunks = [chunk async for chunk in await client.chat("demo", MESSAGES, options=still, stream=True)]
        vectors = await client.embed("demo", ["What is a pod?", "Explain pods."])
    assert "containers" in (whole.message.content or "")
    assert "".join(chunk.message.content or "" for chunk in chunks) == whole.message.content
    assert whole.prompt_eval_count == chunks[-1].prompt_eval_count
    assert len(vectors.embeddings[0]) == 128
