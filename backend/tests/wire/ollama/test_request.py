"""Domain requests as Ollama's bodies: one table a body, and what is refused or left out."""

import json
from typing import Any

import pytest

from app.domain.chat import (
    ChatRequest,
    CompletionRequest,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    Tool,
    ToolChoice,
    UnknownTool,
)
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.ollama.request import (
    ModelTerms,
    encode_chat,
    encode_completion,
    encode_embedding,
    encode_generation,
    encode_residence,
)

TERMS = ModelTerms(model="demo:latest", num_ctx=1024)
THINKER = ModelTerms(model="demo:latest", num_ctx=1024, can_think=True)
HELLO = (Message(role="user", content=(TextPart(text="Hello"),)),)
WEATHER = Tool(name="weather", description="Tells it", parameters={"type": "object", "properties": {"at": {}}})
TIME = Tool(name="time")
BASE: dict[str, Any] = {
    "model": "demo:latest",
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
    "truncate": False,
    "shift": False,
    "options": {"num_ctx": 1024},
}
WEATHER_OUT = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells it",
        "parameters": {"type": "object", "properties": {"at": {}}},
    },
}
TIME_OUT = {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def chat(**fields: Any) -> ChatRequest:
    return ChatRequest(model="as the caller says", messages=HELLO, **fields)


@pytest.mark.parametrize(
    ("request_", "terms", "extra", "dropped"),
    [
        pytest.param(chat(), TERMS, {}, [], id="plain"),
        pytest.param(
            chat(stream=True, include_usage=True, user="u"), TERMS, {}, [], id="stream: always asked for"
        ),
        pytest.param(
            chat(
                sampling=Sampling(
                    temperature=0.0,
                    top_p=0.9,
                    top_k=40,
                    seed=0,
                    stop=("a", "b"),
                    max_output_tokens=7,
                    presence_penalty=0.5,
                    frequency_penalty=-0.5,
                )
            ),
            TERMS,
            {
                "options": {
                    "num_ctx": 1024,
                    "temperature": 0.0,
                    "top_p": 0.9,
                    "top_k": 40,
                    "seed": 0,
                    "stop": ["a", "b"],
                    "num_predict": 7,
                    "presence_penalty": 0.5,
                    "frequency_penalty": -0.5,
                }
            },
            [],
            id="sampling",
        ),
        pytest.param(chat(sampling=Sampling(logit_bias={"5": 1.0})), TERMS, {}, ["logit_bias"], id="logit_bias"),
        pytest.param(chat(sampling=Sampling(logprobs=True)), TERMS, {"logprobs": True}, [], id="logprobs"),
        pytest.param(
            chat(sampling=Sampling(logprobs=True, top_logprobs=3)),
            TERMS,
            {"logprobs": True, "top_logprobs": 3},
            [],
            id="top_logprobs",
        ),
        pytest.param(chat(), ModelTerms(model="demo:latest"), {"options": {}}, [], id="a model in a cloud"),
        pytest.param(
            chat(),
            ModelTerms(model="demo:latest", num_ctx=1024, keep_alive="10m"),
            {"keep_alive": "10m"},
            [],
            id="keep_alive",
        ),
        pytest.param(chat(tools=(WEATHER, TIME)), TERMS, {"tools": [WEATHER_OUT, TIME_OUT]}, [], id="tools"),
        pytest.param(
            chat(tools=(WEATHER,), tool_choice=ToolChoice(mode="auto"), parallel_tool_calls=True),
            TERMS,
            {"tools": [WEATHER_OUT]},
            [],
            id="auto",
        ),
        pytest.param(chat(tools=(WEATHER,), tool_choice=ToolChoice(mode="none")), TERMS, {}, [], id="no tool"),
        pytest.param(
            chat(tools=(WEATHER, TIME), tool_choice=ToolChoice(mode="named", name="time")),
            TERMS,
            {"tools": [TIME_OUT]},
            ["tool_choice"],
            id="named tool",
        ),
        pytest.param(
            chat(tools=(TIME,), tool_choice=ToolChoice(mode="required"), parallel_tool_calls=False),
            TERMS,
            {"tools": [TIME_OUT]},
            ["tool_choice", "parallel_tool_calls"],
            id="required tool, one at a time",
        ),
        pytest.param(chat(response_format=ResponseFormat(kind="text")), TERMS, {}, [], id="text"),
        pytest.param(
            chat(response_format=ResponseFormat(kind="json_object")), TERMS, {"format": "json"}, [], id="JSON"
        ),
        pytest.param(
            chat(response_format=ResponseFormat(kind="json_schema", name="n", schema=SCHEMA, strict=True)),
            TERMS,
            {"format": SCHEMA},
            [],
            id="schema",
        ),
        pytest.param(chat(reasoning_effort="none"), THINKER, {"think": False}, [], id="no thinking"),
        pytest.param(chat(reasoning_effort="minimal"), THINKER, {"think": "low"}, [], id="minimal thinking"),
        pytest.param(chat(reasoning_effort="high"), THINKER, {"think": "high"}, [], id="high thinking"),
        pytest.param(chat(reasoning_effort="xhigh"), THINKER, {"think": "max"}, [], id="most thinking"),
        pytest.param(chat(reasoning_effort="high"), TERMS, {}, ["reasoning_effort"], id="cannot think"),
        pytest.param(chat(reasoning_effort="none"), TERMS, {}, [], id="cannot think and need not"),
        pytest.param(
            chat(
                sampling=Sampling(temperature=1.0),
                extensions={
                    "ollama": {
                        "options": {"mirostat": 1, "temperature": 9, "num_ctx": 9},
                        "truncate": True,
                        "shift": True,
                        "stream": False,
                        "model": "other",
                        "keep_alive": "1h",
                    },
                    "openai_chat": {"store": True},
                },
            ),
            TERMS,
            {"options": {"mirostat": 1, "num_ctx": 1024, "temperature": 1.0}, "keep_alive": "1h"},
            [],
            id="extensions of this format only, and none that could cut the prompt",
        ),
    ],
)
def test_chat(request_: ChatRequest, terms: ModelTerms, extra: dict[str, Any], dropped: list[str]) -> None:
    told: list[str] = []
    assert json.loads(encode_chat(request_, terms, dropped=told)) == {**BASE, **extra}
    assert told == dropped


@pytest.mark.parametrize(
    ("request_", "kind", "param"),
    [
        (ChatRequest(model="m", messages=()), InvalidRequest, "messages"),
        (chat(sampling=Sampling(n=2)), UnsupportedFeature, "n"),
        (chat(tools=(UnknownTool(),)), UnsupportedFeature, "tools"),
        (chat(reasoning_effort="enormous"), InvalidRequest, "reasoning_effort"),
    ],
)
def test_chat_refuses(request_: ChatRequest, kind: type[InvalidRequest], param: str) -> None:
    with pytest.raises(kind) as caught:
        encode_chat(request_, THINKER)
    assert caught.value.param == param


def completion(**fields: Any) -> CompletionRequest:
    return CompletionRequest(model="m", prompts=("Once",), **fields)


@pytest.mark.parametrize(
    ("request_", "extra"),
    [
        (completion(), {"raw": True, "think": False}),
        (completion(suffix="end"), {"suffix": "end"}),
        (
            completion(sampling=Sampling(max_output_tokens=3, logprobs=True)),
            {"raw": True, "think": False, "logprobs": True, "options": {"num_ctx": 1024, "num_predict": 3}},
        ),
    ],
)
def test_completion(request_: CompletionRequest, extra: dict[str, Any]) -> None:
    body = {name: value for name, value in BASE.items() if name != "messages"} | {"prompt": "Once"}
    assert json.loads(encode_completion(request_, "Once", TERMS)) == {**body, **extra}


@pytest.mark.parametrize(
    ("request_", "prompt", "kind", "param"),
    [
        (completion(echo=True), "Once", UnsupportedFeature, "echo"),
        (completion(best_of=2), "Once", UnsupportedFeature, "best_of"),
        (completion(sampling=Sampling(n=2)), "Once", UnsupportedFeature, "n"),
        (completion(), (1, 2), UnsupportedFeature, "prompt"),
        (completion(), "", InvalidRequest, "prompt"),
    ],
)
def test_completion_refuses(
    request_: CompletionRequest, prompt: str | tuple[int, ...], kind: type[InvalidRequest], param: str
) -> None:
    with pytest.raises(kind) as caught:
        encode_completion(request_, prompt, TERMS)
    assert caught.value.param == param


def test_a_generation_keeps_the_model_s_template() -> None:
    body = json.loads(encode_generation("Hi", TERMS, "Be brief", Sampling(temperature=0.5)))
    assert body == {
        "model": "demo:latest",
        "prompt": "Hi",
        "system": "Be brief",
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 1024, "temperature": 0.5},
    }


def test_embedding() -> None:
    request = EmbeddingRequest(model="m", inputs=("a", "b"), dimensions=8, encoding="base64")
    assert json.loads(encode_embedding(request, TERMS)) == {
        "model": "demo:latest",
        "input": ["a", "b"],
        "truncate": False,
        "dimensions": 8,
        "options": {"num_ctx": 1024},
    }


@pytest.mark.parametrize(("inputs", "kind"), [(("a", (1, 2)), UnsupportedFeature), ((), InvalidRequest)])
def test_embedding_refuses(inputs: tuple[str | tuple[int, ...], ...], kind: type[InvalidRequest]) -> None:
    with pytest.raises(kind) as caught:
        encode_embedding(EmbeddingRequest(model="m", inputs=inputs), TERMS)
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("embeds", "keep", "want"),
    [
        (False, True, {"prompt": "", "stream": False, "shift": False, "keep_alive": "1h"}),
        (False, False, {"prompt": "", "stream": False, "shift": False, "keep_alive": 0}),
        (True, True, {"input": [], "keep_alive": "1h"}),
        (True, False, {"prompt": "", "stream": False, "shift": False, "keep_alive": 0}),
    ],
)
def test_loading_asks_with_the_options_of_every_request(embeds: bool, keep: bool, want: dict[str, Any]) -> None:
    terms = ModelTerms(model="demo:latest", num_ctx=64, keep_alive="1h")
    body = json.loads(encode_residence(terms, embeds=embeds, keep=keep))
    assert body == {"model": "demo:latest", "options": {"num_ctx": 64}, **want}
