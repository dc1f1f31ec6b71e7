"""What a call is in the words of OpenTelemetry's conventions (1.41 for generative AI), as plain values.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ What it has no word for begins with
`llm_platform.`
"""

from collections.abc import Callable, Mapping
from typing import Any

from app.domain.calls import EndedCall, Tried
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import ErrorKind, PlatformError
from app.domain.tracing import Told
from app.domain.usage import Usage
from app.integrations.kit.gen_ai import provider_name
from app.wire.anthropic_messages import errors as anthropic
from app.wire.openai_chat import errors as openai

Attributes = dict[str, Any]

SERVER_FAULTS = frozenset(
    {"unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss"}
)
"""Outcomes that are not the caller's doing: those are no errors of a server's span."""

_OK = 200
_RPC_CODES = {"ok": "OK", **{kind.value: kind.name for kind in ErrorKind}}


def server(call: EndedCall, told: Told) -> Attributes:
    """Of the request as it came in."""
    found: Attributes = {
        **_entrance(call, told),
        "llm_platform.request.id": call.id,
        "llm_platform.front_end": call.front_end,
        "llm_platform.principal": call.principal,
        "llm_platform.operation": call.operation,
        "llm_platform.model": call.model,
        "llm_platform.outcome": call.outcome,
        "llm_platform.attempts": call.attempts,
    }
    rest = {"team": call.team, "tier": call.tier, "cache": call.cached, "cost.usd": call.cost}
    found |= {f"llm_platform.{name}": value for name, value in rest.items() if value is not None}
    if call.outcome in SERVER_FAULTS:
        found["error.type"] = call.outcome
    return found


def server_name(call: EndedCall, told: Told) -> str:
    """`POST /v1/chat/completions`, `service/method`; a WebSocket's is its path."""
    return told.route.removeprefix("WebSocket ") or f"{call.front_end} {call.operation}"


def _entrance(call: EndedCall, told: Told) -> Attributes:
    kind, _, path = told.route.partition(" ")
    if kind == "WebSocket":
        return {"http.route": path, "url.path": path, "network.protocol.name": "websocket"}
    if path:
        found = {"http.request.method": kind, "http.route": path, "url.path": path}
        return found if (status := _status(call, told)) is None else {**found, "http.response.status_code": status}
    if not told.route:
        return {}
    code = _RPC_CODES.get(call.outcome, "UNKNOWN")
    return {"rpc.system.name": "grpc", "rpc.method": told.route, "rpc.response.status_code": code}


def _status(call: EndedCall, told: Told) -> int | None:
    """What was answered; None where nobody was there any more. GraphQL tells of errors with 200."""
    if call.outcome == "ok" or call.front_end == "graphql" or (call.stream and told.answered):
        return _OK
    if call.outcome == ErrorKind.CANCELLED:
        return None
    encode, by_kind = (anthropic.encode, anthropic.BY_KIND) if _speaks_anthropic(call) else _OPENAI
    if isinstance(told.error, PlatformError):
        return encode(told.error)[0]
    return by_kind[ErrorKind(call.outcome)].status


_OPENAI: tuple[Callable[[PlatformError], tuple[int, bytes]], Mapping[ErrorKind, Any]] = (
    openai.encode,
    openai.BY_KIND,
)


def _speaks_anthropic(call: EndedCall) -> bool:
    return call.front_end == "anthropic_api"


def client(call: EndedCall, tried: Tried, kind: str, request: Attributes) -> Attributes:
    """Of one request to a provider. `kind`: the integration's. `request`: as the function below has it."""
    found: Attributes = {
        "gen_ai.operation.name": call.operation,
        "gen_ai.provider.name": provider_name(kind),
        "gen_ai.request.model": tried.model,
        "llm_platform.integration": tried.integration,
        **request,
    }
    if call.stream:
        found["gen_ai.request.stream"] = True
    if tried.failure is not None:
        found["error.type"] = tried.failure
    if tried.hedge:
        found["llm_platform.hedge"] = True
    if tried.lost:
        found["llm_platform.lost"] = True
    return found


def answer(call: EndedCall, tried: Tried, told: Told) -> Attributes:
    """Of the answer, for the request that it is the answer to."""
    found: Attributes = {} if call.usage is None else _usage(call.usage)
    if told.id is not None:
        found["gen_ai.response.id"] = told.id
    if told.model is not None:
        found["gen_ai.response.model"] = told.model
    if told.reasons:
        found["gen_ai.response.finish_reasons"] = tuple(told.reasons)
    if call.stream and call.first_event_seconds is not None:
        found["gen_ai.response.time_to_first_chunk"] = tried.seconds
    if call.outcome != "ok":
        found["error.type"] = call.outcome
    return found


def _usage(usage: Usage) -> Attributes:
    counts = {
        "cache_read.input_tokens": usage.cached_tokens,
        "cache_creation.input_tokens": usage.cache_write_tokens,
        "reasoning.output_tokens": usage.reasoning_tokens,
    }
    return {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        **{f"gen_ai.usage.{name}": count for name, count in counts.items() if count},
        **({"llm_platform.usage.estimated": True} if usage.estimated else {}),
    }


_SAMPLING: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("gen_ai.request.temperature", "temperature", float),
    ("gen_ai.request.top_p", "top_p", float),
    ("gen_ai.request.top_k", "top_k", float),
    ("gen_ai.request.seed", "seed", int),
    ("gen_ai.request.max_tokens", "max_output_tokens", int),
    ("gen_ai.request.presence_penalty", "presence_penalty", float),
    ("gen_ai.request.frequency_penalty", "frequency_penalty", float),
    ("gen_ai.request.stop_sequences", "stop", lambda stop: tuple(stop) or None),
    ("gen_ai.request.choice.count", "n", lambda n: None if n == 1 else n),
)
_OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def request(asked: object) -> Attributes:
    """What the caller set. Of what it said nothing is here: see content.py."""
    found: Attributes = {}
    if isinstance(asked, ChatRequest | CompletionRequest):
        for name, field, convert in _SAMPLING:
            value = getattr(asked.sampling, field)
            if value is not None and (converted := convert(value)) is not None:
                found[name] = converted
    if isinstance(asked, ChatRequest) and asked.response_format is not None:
        found["gen_ai.output.type"] = _OUTPUT_TYPES[asked.response_format.kind]
    if isinstance(asked, EmbeddingRequest):
        found["gen_ai.request.encoding_formats"] = (asked.encoding,)
        if asked.dimensions is not None:
            found["gen_ai.embeddings.dimension.count"] = asked.dimensions
    return found
