"""Domain requests as bodies for generateContent, countTokens and batchEmbedContents.

https://ai.google.dev/api/generate-content, https://ai.google.dev/api/embeddings
"""

from collections.abc import Sequence

import msgspec

from app.domain.chat import ChatRequest, ResponseFormat, Sampling, Tool, ToolChoice, UnknownTool
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.gemini import messages, thinking
from app.integrations.model_platforms.gemini.messages import Json
from app.integrations.model_platforms.gemini.names import is_at_least
from app.wire.fields import merge

FORMAT = "gemini"

EMBEDDINGS_AT_ONCE = 100
"""Gemini takes no more in one request."""

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


def encode_chat(request: ChatRequest, model: str, *, thinks: bool | None, dropped: list[str]) -> bytes:
    """`model` is the bare name. `thinks`: as the list of models says; None where that is not known. `dropped` is
    told the fields that Gemini has no place for.

    Raises UnsupportedFeature where leaving something out would change what was asked.
    """
    return msgspec.json.encode(_chat(request, model, thinks, dropped))


def encode_count(request: ChatRequest, model: str, resource: str) -> bytes:
    """The body for countTokens: what encode_chat would send, tools and instruction included."""
    return msgspec.json.encode({"generateContentRequest": {"model": resource, **_chat(request, model, None, [])}})


def encode_embeddings(request: EmbeddingRequest, resource: str, dropped: list[str]) -> list[tuple[bytes, int]]:
    """As many bodies as it takes, each with the number of its texts.

    Raises UnsupportedFeature for token ids: Gemini embeds text only.
    """
    if request.user is not None:
        dropped.append("user")
    if not request.inputs:
        raise InvalidRequest("There is nothing to embed.", param="input")
    texts = [text for text in request.inputs if isinstance(text, str)]
    if len(texts) != len(request.inputs):
        raise UnsupportedFeature("Gemini takes text, not token ids.", param="input")
    common: Json = {"model": resource}
    if request.dimensions is not None:
        common["outputDimensionality"] = request.dimensions
    common = merge(common, request.extensions.get(FORMAT))
    bodies = []
    for start in range(0, len(texts), EMBEDDINGS_AT_ONCE):
        some = texts[start : start + EMBEDDINGS_AT_ONCE]
        requests = [{**common, "content": {"parts": [{"text": text}]}} for text in some]
        bodies.append((msgspec.json.encode({"requests": requests}), len(some)))
    return bodies


def _chat(request: ChatRequest, model: str, thinks: bool | None, dropped: list[str]) -> Json:
    body = messages.encode(request.messages, model, dropped)
    config = _sampling(request.sampling, dropped) | _form(request.response_format)
    if thought := thinking.encode(request.reasoning_effort, model, thinks, dropped):
        config["thinkingConfig"] = thought
    if config:
        body["generationConfig"] = config
    body |= _tools(request, model, dropped)
    if request.user is not None:
        dropped.append("user")
    dropped[:] = dict.fromkeys(dropped)
    return merge(body, request.extensions.get(FORMAT))


def _sampling(sampling: Sampling, dropped: list[str]) -> Json:
    if sampling.logit_bias:
        dropped.append("logit_bias")
    knobs: Json = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "seed": sampling.seed,
        "stopSequences": list(sampling.stop) or None,
        "maxOutputTokens": sampling.max_output_tokens,
        "presencePenalty": sampling.presence_penalty,
        "frequencyPenalty": sampling.frequency_penalty,
        "responseLogprobs": sampling.logprobs or None,
        "logprobs": sampling.top_logprobs or None if sampling.logprobs else None,
        "candidateCount": sampling.n if sampling.n != 1 else None,
    }
    return {name: value for name, value in knobs.items() if value is not None}


def _form(wanted: ResponseFormat | None) -> Json:
    if wanted is None or wanted.kind == "text":
        return {}
    form: Json = {"responseMimeType": "application/json"}
    return form if wanted.schema is None else {**form, "responseJsonSchema": wanted.schema}


def _tools(request: ChatRequest, model: str, dropped: list[str]) -> Json:
    if request.parallel_tool_calls is False:
        dropped.append("parallel_tool_calls")
    if not request.tools:
        return {}
    encoded: Json = {"tools": [{"functionDeclarations": [_declare(tool) for tool in request.tools]}]}
    if config := _calling(request.tools, request.tool_choice, model, dropped):
        encoded["toolConfig"] = {"functionCallingConfig": config}
    return encoded


def _declare(tool: Tool | UnknownTool) -> Json:
    if isinstance(tool, UnknownTool):
        raise UnsupportedFeature("Gemini takes tools of the type 'function' only.", param="tools")
    declared: Json = {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
    return {name: value for name, value in declared.items() if value is not None}


def _calling(
    tools: Sequence[Tool | UnknownTool], choice: ToolChoice | None, model: str, dropped: list[str]
) -> Json:
    """VALIDATED is AUTO held to the tools' schemas, which is what `strict` asks for, but of all tools together."""
    mode = choice.mode if choice else "auto"
    strict = [isinstance(tool, Tool) and bool(tool.strict) for tool in tools]
    if mode == "auto" and any(strict):
        if all(strict) and is_at_least(model, (2, 5)):
            return {"mode": "VALIDATED"}
        dropped.append("tools.strict")
    if choice is None:
        return {}
    return {"mode": _MODES[mode]} | ({"allowedFunctionNames": [choice.name]} if mode == "named" else {})
