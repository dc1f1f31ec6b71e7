"""What the Anthropic fake answers: a message, whole or as the events of its stream."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.servers.anthropic_checks import SIGNATURES
from tests.servers.anthropic_models import FakeModel

Json = dict[str, Any]

THOUGHT = "The user greets me. I greet back."
TEXT = 'Hello! It said "error", "usage" and event: message_stop - h\u00e9.'


def text(text: str = TEXT) -> Json:
    return {"type": "text", "text": text}


def thought(thinking: str = THOUGHT) -> Json:
    """Thinking, signed so that the fake takes it back."""
    signature = base64.b64encode(hashlib.sha256(thinking.encode()).digest()).decode()
    SIGNATURES.add(signature)
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def call(name: str, id: str = "toolu_01", **input: Any) -> Json:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


@dataclass
class Answer:
    """`usage`: what is told beside the tokens that the fake counts itself."""

    blocks: list[Json]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    usage: Json = field(default_factory=dict)
    id: str = "msg_01"

    def message(self, model: str, body: Json) -> Json:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": self.blocks,
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "usage": {
                **_read(body),
                "output_tokens": count(self.blocks),
                "service_tier": "standard",
                **self.usage,
            },
        }

    def events(self, model: str, body: Json) -> Iterator[Json]:
        """In the order that the documentation promises."""
        whole = self.message(model, body)
        usage = {**whole["usage"], "output_tokens": 1}
        unsaid = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        yield {"type": "message_start", "message": {**whole, **unsaid}}
        for index, block in enumerate(self.blocks):
            yield {"type": "content_block_start", "index": index, "content_block": _begun(block)}
            if not index:
                yield {"type": "ping"}
            for delta in _deltas(block):
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence},
            "usage": {name: value for name, value in whole["usage"].items() if name != "service_tier"},
        }
        yield {"type": "message_stop"}


def usual(body: Json, model: FakeModel) -> Answer:
    """Where no answer was laid out: a call where one is forced, thinking where it is asked for, and a greeting."""
    thinking = body.get("thinking", {})
    blocks = []
    if thinking.get("type") in ("adaptive", "enabled"):
        shown = thinking.get("display", "omitted" if not model.sampled else "summarized") == "summarized"
        blocks = [thought() if shown else {**thought(), "thinking": ""}]
    choice = body.get("tool_choice", {})
    if choice.get("type") in ("any", "tool"):
        called = call(choice.get("name") or body["tools"][0]["name"], namespace="default")
        return Answer([*blocks, called], "tool_use")
    if "format" in body.get("output_config", {}):
        return Answer([*blocks, text('{"name":"pod"}')])
    return Answer([*blocks, text()])


def frame(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def count(value: Any) -> int:
    """Tokens, roughly: more for more."""
    return max(1, len(json.dumps(value)) // 8)


def _read(body: Json) -> Json:
    told = {name: body[name] for name in ("system", "messages", "tools") if name in body}
    return {"input_tokens": count(told), "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def _begun(block: Json) -> Json:
    empty: dict[str, Json] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    return {**block, **empty.get(block["type"], {})}


def _deltas(block: Json) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for piece in _pieces(block["text"]):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in _pieces(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            for piece in ("", *_pieces(json.dumps(block["input"]))):
                yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str, size: int = 12) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))
