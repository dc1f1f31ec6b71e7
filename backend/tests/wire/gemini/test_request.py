"""Requests of both dialects as Gemini's: what is sent, what is left out, what is refused."""

import json
from typing import Any

import msgspec
import pytest
from google.genai import types

from app.domain.chat import ChatRequest, Message, UnknownPart, UnknownTool
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest, PlatformError, UnsupportedFeature
from app.integrations.model_platforms.gemini.request import encode_chat, encode_count, encode_embeddings
from app.wire.anthropic_messages import request as anthropic
from app.wire.openai_chat import request as openai
from tests.wire.cases import cases

MODEL = "gemini-3.5-flash"
HI = {"messages": [{"role": "user", "content": "hi"}]}


def decoded(case: dict[str, Any]) -> ChatRequest:
    dialect = openai if "openai" in case else anthropic
    body = case.get("openai") or case["anthropic"]
    return dialect.decode(json.dumps({"model": "alias", **body}).encode())


def encoded(
    request: ChatRequest, model: str = MODEL, thinks: bool | None = None
) -> tuple[dict[str, Any], list[str]]:
    dropped: list[str] = []
    return json.loads(encode_chat(request, model, thinks=thinks, dropped=dropped)), dropped


@pytest.mark.parametrize("case", cases("gemini_requests"))
def test_request(case: dict[str, Any]) -> None:
    body, dropped = encoded(decoded(case), case.get("model", MODEL))
    assert body == case["want"]
    assert sorted(dropped) == case.get("dropped", [])


@pytest.mark.parametrize("case", cases("gemini_requests"))
def test_google_s_own_types_know_every_field(case: dict[str, Any]) -> None:
    """The SDK's models refuse what they do not know."""
    body = case["want"]
    for content in (*body["contents"], *filter(None, [body.get("systemInstruction")])):
        types.Content.model_validate(content)
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    for tool in body.get("tools", []):
        types.Tool.model_validate(tool)


EFFORTS = [
    # Gemini 3 takes levels: the least there is for `none`, which it can't do.
    ("gemini-3.5-flash", "none", {"thinkingLevel": "minimal", "includeThoughts": False}, True),
    ("gemini-3.5-flash", "minimal", {"thinkingLevel": "minimal", "includeThoughts": True}, False),
    ("gemini-3.5-flash", "medium", {"thinkingLevel": "medium", "includeThoughts": True}, False),
    ("gemini-3.8-flash", "minimal", {"thinkingLevel": "low", "includeThoughts": True}, False),
    ("gemini-3.1-pro-preview", "none", {"thinkingLevel": "low", "includeThoughts": False}, True),
    ("gemini-3.1-pro-preview", "xhigh", {"thinkingLevel": "high", "includeThoughts": True}, False),
    ("gemini-4-pro", "max", {"thinkingLevel": "high", "includeThoughts": True}, False),
    # Gemini 2.5 takes budgets, of which its Pro needs some.
    ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}, False),
    ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}, False),
    ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}, True),
    ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, "includeThoughts": True}, False),
    # Nobody knows, so nobody asks.
    ("gemini-2.0-flash", "none", None, False),
    ("gemini-2.0-flash", "high", None, True),
    ("gemma-3-27b-it", "high", None, True),
    ("gemini-flash-latest", "high", None, True),
]


@pytest.mark.parametrize(("model", "effort", "config", "dropped"), EFFORTS)
def test_effort(model: str, effort: str, config: dict[str, Any] | None, dropped: bool) -> None:
    body, missed = encoded(decoded({"openai": {**HI, "reasoning_effort": effort}}), model)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config
    assert missed == (["reasoning_effort"] if dropped else [])


@pytest.mark.parametrize(
    ("model", "thinks", "config"),
    [
        ("gemini-flash-latest", True, {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-flash-image", False, None),
        ("gemma-4-31b-it", True, {"includeThoughts": True}),
    ],
)
def test_the_list_of_models_knows_better_than_a_name(
    model: str, thinks: bool, config: dict[str, Any] | None
) -> None:
    body, _ = encoded(decoded({"openai": {**HI, "reasoning_effort": "high"}}), model, thinks)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1]"}}
REFUSED = [
    ({**HI, "reasoning_effort": "huge"}, InvalidRequest, "reasoning_effort"),
    ({"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]}, InvalidRequest, "messages"),
    ({"messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]}, InvalidRequest, "messages"),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"filename": "a"}}]}]},
        InvalidRequest,
        "messages",
    ),
    ({**HI, "tools": [{"type": "web_search"}]}, UnsupportedFeature, "tools"),
    (
        {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]}]},
        UnsupportedFeature,
        "messages",
    ),
]


@pytest.mark.parametrize(("body", "kind", "param"), REFUSED)
def test_what_is_refused(body: dict[str, Any], kind: type[PlatformError], param: str) -> None:
    with pytest.raises(kind) as caught:
        encoded(decoded({"openai": body}))
    assert type(caught.value) is kind
    assert caught.value.param == param


def test_fields_of_gemini_s_own_are_given_back() -> None:
    own = {
        "gemini": {"cachedContent": "cachedContents/1", "generationConfig": {"mediaResolution": "LOW", "topK": 1}}
    }
    request = msgspec.structs.replace(decoded({"openai": {**HI, "top_k": 2}}), extensions=own)
    body, _ = encoded(request)
    assert body["cachedContent"] == "cachedContents/1"
    assert body["generationConfig"] == {"topK": 2, "mediaResolution": "LOW"}


def test_a_count_is_of_the_whole_request() -> None:
    body = {**HI, "tools": [{"type": "function", "function": {"name": "now"}}]}
    counted = json.loads(encode_count(decoded({"openai": body}), MODEL, f"models/{MODEL}"))
    sent, _ = encoded(decoded({"openai": body}))
    assert counted == {"generateContentRequest": {"model": f"models/{MODEL}", **sent}}


def test_embeddings_go_in_batches() -> None:
    dropped: list[str] = []
    request = EmbeddingRequest(
        model="alias",
        inputs=tuple(f"t{at}" for at in range(101)),
        dimensions=768,
        user="ann",
        extensions={"gemini": {"taskType": "RETRIEVAL_QUERY"}},
    )
    (first, count), (second, rest) = encode_embeddings(request, "models/e", dropped)
    assert (count, len(json.loads(first)["requests"]), rest) == (100, 100, 1)
    assert json.loads(second)["requests"] == [
        {
            "model": "models/e",
            "outputDimensionality": 768,
            "taskType": "RETRIEVAL_QUERY",
            "content": {"parts": [{"text": "t100"}]},
        }
    ]
    assert dropped == ["user"]


@pytest.mark.parametrize(("inputs", "kind"), [((), InvalidRequest), (("a", (1, 2)), UnsupportedFeature)])
def test_what_can_t_be_embedded(inputs: Any, kind: type[PlatformError]) -> None:
    with pytest.raises(kind) as caught:
        encode_embeddings(EmbeddingRequest(model="m", inputs=inputs), "models/e", [])
    assert type(caught.value) is kind


def test_parts_and_tools_of_unknown_kinds() -> None:
    for request in (
        ChatRequest(model="m", messages=(Message(role="user", content=(UnknownPart(),)),)),
        ChatRequest(model="m", messages=(), tools=(UnknownTool(),)),
    ):
        with pytest.raises(UnsupportedFeature):
            encoded(request)
