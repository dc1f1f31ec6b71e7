"""The system prompt and the turns. A tool's result is part of the user's turn; `system` stands beside the turns.

A turn of the role system among the others is one that stays where it is; the first ones, from other formats, are
what this format calls `system`.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Literal

from app.domain.chat import Message, Part, Role, TextPart
from app.wire.anthropic_messages import FORMAT
from app.wire.anthropic_messages.blocks import decode_content, encode_content
from app.wire.fields import Fields, merge

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_WORDS: dict[Role, Literal["user", "assistant", "system"]] = {
    "user": "user",
    "tool": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
}


def decode_system(fields: Fields) -> tuple[Message, ...]:
    """The system prompt as the first message. An empty one is left in place."""
    if not fields.rest.get("system"):
        return ()
    content = decode_content(fields, "system")
    if not all(isinstance(part, TextPart) for part in content):
        raise fields.wrong("system", "a string or an array of text blocks")
    return (Message(role="system", content=content),)


def decode_message(fields: Fields) -> Message:
    word = fields.required_text("role")
    role = _ROLES.get(word)
    if role is None:
        raise fields.wrong("role", "user, assistant or system")
    if "content" not in fields.rest:
        raise fields.error(f"The required field '{fields.at('content')}' is missing.", fields.at("content"))
    content = decode_content(fields)
    if role == "system":
        fields.rest["role"] = word
    return Message(role=role, content=content, extensions=fields.extensions(FORMAT))


def encode_messages(messages: Sequence[Message]) -> dict[str, Any]:
    """The fields `system` and `messages`."""
    first = list(takewhile(_is_prompt, messages))
    known: dict[str, Any] = {}
    if prompt := _joined(first):
        known["system"] = encode_content(prompt)
    known["messages"] = [_encode_message(message) for message in messages[len(first) :]]
    return known


def _is_prompt(message: Message) -> bool:
    return message.role in ("system", "developer") and "role" not in message.extensions.get(FORMAT, {})


def _joined(messages: Sequence[Message]) -> list[Part]:
    return [part for message in messages for part in message.content]


def _encode_message(message: Message) -> dict[str, Any]:
    kept = message.extensions.get(FORMAT, {})
    known: dict[str, Any] = {"role": _WORDS[message.role]}
    if message.content or "content" not in kept:
        known["content"] = encode_content(message.content)
    return merge(known, kept)
