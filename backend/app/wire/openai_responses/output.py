"""Items of an answer: what the model said, thought and called, each with an id and a status."""

from collections.abc import Sequence
from typing import Any

from app.domain.chat import (
    FinishReason,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    TokenLogprob,
    ToolCall,
)
from app.domain.errors import UnsupportedFeature
from app.domain.extending import Joined
from app.wire.fields import AnswerFields, Fields, merge
from app.wire.openai_responses import FORMAT
from app.wire.openai_responses.items import (
    ITEM,
    decode_part,
    encode_call,
    encode_reasoning,
    grouped,
    message_parts,
)

_PREFIXES = {"message": "msg", "function_call": "fc", "reasoning": "rs"}
STATUS: dict[FinishReason, str] = {
    "stop": "completed",
    "tool_calls": "completed",
    "length": "incomplete",
    "content_filter": "incomplete",
    "error": "failed",
}
INCOMPLETE: dict[FinishReason, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


def item_id(kind: str, response_id: str, index: int) -> str:
    """An item's id follows from the response's and its place, so the same answer always has the same ids."""
    return f"{_PREFIXES[kind]}_{response_id.removeprefix('resp_')}_{index}"


def encode_output(
    message: Message, response_id: str, status: str, logprobs: Sequence[TokenLogprob] = ()
) -> list[dict[str, Any]]:
    """`status`: of the last item; those before it are complete. Raises UnsupportedFeature."""
    groups = list(grouped(message.content))
    items: list[dict[str, Any]] = []
    for index, group in enumerate(groups):
        own = status if index == len(groups) - 1 and status == "incomplete" else "completed"
        item = _encode_group(group, response_id, index, own)
        if logprobs and item["type"] == "message":
            item["content"][0]["logprobs"] = encode_logprobs(logprobs)
            logprobs = ()
        items.append(item)
    return items


def _encode_group(group: Sequence[Part], response_id: str, index: int, status: str) -> dict[str, Any]:
    part = group[0]
    match part:
        case TextPart() | RefusalPart():
            kept = part.extensions.get(FORMAT, {}).get(ITEM)
            content = [_content(each) for each in group]
            known = {"id": item_id("message", response_id, index), "type": "message", "status": status}
            return _over({**known, "role": "assistant", "content": content}, kept)
        case ToolCall():
            known = {"id": item_id("function_call", response_id, index), "status": status}
            return _over({**known, **encode_call(part)}, part.extensions.get(FORMAT))
        case ReasoningPart():
            return {"id": item_id("reasoning", response_id, index), **encode_reasoning(part)}
        case _:
            raise UnsupportedFeature(f"An answer in this format holds no {type(part).__name__}.")


def _over(known: dict[str, Any], kept: dict[str, Any] | None) -> dict[str, Any]:
    """The item's own id and status count where it came in this format."""
    return merge(
        {**known, **{name: kept[name] for name in ("id", "status") if name in kept}} if kept else known, kept
    )


def _content(part: Part) -> dict[str, Any]:
    kept = {name: value for name, value in part.extensions.get(FORMAT, {}).items() if name != ITEM}
    match part:
        case TextPart():
            return merge(text_content(part.text), kept)
        case RefusalPart():
            return merge({"type": "refusal", "refusal": part.text}, kept)
        case _:
            raise UnsupportedFeature(f"A message in this format holds no {type(part).__name__}.")


def text_content(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def encode_logprobs(tokens: Sequence[TokenLogprob]) -> list[dict[str, Any]]:
    return [{**_token(token), "top_logprobs": [_token(top) for top in token.top]} for token in tokens]


def _token(token: TokenLogprob) -> dict[str, Any]:
    """The format knows no token without bytes: they are its text's, where the provider does not tell."""
    spelled = token.token.encode("utf-8", "replace") if token.bytes is None else token.bytes
    return {"token": token.token, "logprob": token.logprob, "bytes": list(spelled)}


def decode_item(fields: AnswerFields) -> tuple[list[Part], list[TokenLogprob]]:
    """The parts of one item of an answer, and the logprobs of its texts.

    An item of a kind that the domain does not know gives none: it has no place among an answer's parts.
    """
    kind = fields.rest.get("type")
    if kind == "message":
        if type(fields.rest.get("content")) is not list:
            raise fields.wrong("content", "an array of parts")
        logprobs = [token for part in fields.rest["content"] for token in take_logprobs(part, fields.path)]
        strip(fields.rest)
        return message_parts(fields), logprobs
    if kind in ("function_call", "reasoning"):
        fields.rest.pop("status", None)
        return [decode_part(fields)], []
    return [], []


def strip(item: dict[str, Any]) -> None:
    """Take away what a message item says anyway or the whole answer tells."""
    for name in ("type", "role", "status"):
        item.pop(name, None)


def join(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Neighbouring parts of one kind as one, which is what a stream gives."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, TextPart | RefusalPart) and isinstance(last, type(part)):
            joined[-1] = type(part)(text=last.text + part.text, extensions=_joined(last, part))
        elif isinstance(part, ReasoningPart) and isinstance(last, ReasoningPart) and last.signature is None:
            text, signature = last.text + part.text, part.signature
            joined[-1] = ReasoningPart(text=text, signature=signature, extensions=_joined(last, part))
        else:
            joined.append(part)
    return tuple(joined)


def _joined(*parts: Part) -> dict[str, dict[str, Any]]:
    kept = Joined()
    for part in parts:
        kept.add({format: {"part": fields} for format, fields in part.extensions.items()}, "part")
    return kept.extensions()


def take_logprobs(part: object, path: str) -> list[TokenLogprob]:
    if type(part) is not dict or not part.get("logprobs"):
        return []
    return [_decode_token(token) for token in AnswerFields(part, path).items("logprobs")]


def _decode_token(fields: Fields) -> TokenLogprob:
    logprob = fields.number("logprob")
    if logprob is None:
        raise fields.wrong("logprob", "a number")
    given = fields.array("bytes")
    if not all(type(byte) is int for byte in given):
        raise fields.wrong("bytes", "an array of integers")
    return TokenLogprob(
        token=fields.text("token") or "",
        logprob=logprob,
        bytes=tuple(given) or None,
        top=tuple(_decode_token(token) for token in fields.items("top_logprobs")),
    )
