"""Whole answers: https://platform.openai.com/docs/api-reference/responses/object"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from app.domain.chat import ChatResult, Choice, FinishReason, Message, Part, ToolCall
from app.domain.usage import Usage
from app.wire.fields import AnswerFields
from app.wire.json_text import parse_answer
from app.wire.openai_responses import FORMAT
from app.wire.openai_responses.failure import raise_failure
from app.wire.openai_responses.output import INCOMPLETE, STATUS, decode_item, encode_output, join
from app.wire.openai_responses.usage import decode_usage, encode_usage

_OWN = ("object", "status", "error", "incomplete_details")


def encode(result: ChatResult, repeated: Mapping[str, Any]) -> bytes:
    """`repeated`: what the answer tells of its request, see echo.py. Raises UnsupportedFeature."""
    choice = result.choices[0] if result.choices else Choice(index=0, message=Message(role="assistant"))
    status = STATUS[choice.finish_reason or "stop"]
    output = encode_output(choice.message, result.id, status, choice.logprobs)
    known = frame(result.id, result.model, result.created, repeated, result.extensions.get(FORMAT))
    return msgspec.json.encode(finished(known, choice.finish_reason or "stop", output, result.usage))


def frame(
    id: str, model: str, created: int, repeated: Mapping[str, Any], kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A response that has only begun. `kept` replaces what it names."""
    known: dict[str, Any] = {"id": id, "object": "response", "created_at": created, "status": "in_progress"}
    known |= {"completed_at": None, "error": None, "incomplete_details": None, "model": model, "output": []}
    return {**known, "usage": None, **repeated, **(kept or {})}


def finished(
    begun: dict[str, Any], reason: FinishReason, output: list[dict[str, Any]], usage: Usage | None
) -> dict[str, Any]:
    """What `begun` (see frame) is at its end."""
    ended = {**begun, "status": STATUS[reason], "output": output}
    if reason in INCOMPLETE:
        ended["incomplete_details"] = {"reason": INCOMPLETE[reason]}
    if reason == "error":
        ended["error"] = {"code": "server_error", "message": "The model failed."}
    if ended["status"] != "completed":
        ended["completed_at"] = None
    if usage is not None:
        ended["usage"] = encode_usage(usage)
    return ended


def decode(body: bytes, provider: str | None = None) -> ChatResult:
    """Raises ProviderProtocolError, or the error that `body` holds instead of an answer."""
    value = parse_answer(body, provider)
    fields = AnswerFields(value)
    raise_failure({"response": value}, provider)
    return decode_response(fields)


def decode_response(fields: AnswerFields) -> ChatResult:
    if "output" not in fields.rest:
        raise fields.wrong("output", "an array of items")
    parts: list[Part] = []
    logprobs = []
    for item in fields.items("output"):
        said, tokens = decode_item(item)
        parts += said
        logprobs += tokens
    choice = Choice(
        index=0,
        message=Message(role="assistant", content=join(parts)),
        finish_reason=finish_reason(fields, parts),
        logprobs=tuple(logprobs),
    )
    id, model, created = take_identity(fields)
    usage = take_usage(fields)
    for name in ("output", *_OWN):
        fields.rest.pop(name, None)
    return ChatResult(
        id=id, model=model, created=created, choices=(choice,), usage=usage, extensions=fields.extensions(FORMAT)
    )


def take_identity(fields: AnswerFields) -> tuple[str, str, int]:
    created = fields.number("created_at")
    return fields.text("id") or "", fields.text("model") or "", int(created or 0)


def take_usage(fields: AnswerFields) -> Usage | None:
    inner = fields.child("usage")
    fields.rest.pop("usage", None)
    return decode_usage(inner) if inner is not None else None


def finish_reason(fields: AnswerFields, parts: Iterable[Part]) -> FinishReason:
    if fields.rest.get("status") == "incomplete":
        details = fields.rest.get("incomplete_details")
        reason = details.get("reason") if type(details) is dict else None
        return "content_filter" if reason == "content_filter" else "length"
    return "tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "stop"
