"""A request of this format, made fit for models that are not Anthropic's.

A server keeps what it has read of a prompt and reads only what is new, as long as the beginning is the same to the
byte. So the part that stands first must not change from turn to turn:

- Coding agents put a line about who is billed first in the system prompt, with a hash that is new in every
  request (https://github.com/anthropics/claude-code/issues/24168). It says nothing to a model, and is left out.
- Tools come in the order of their names, their schemas with their keywords in order. The order of properties
  stays: it is the order in which a model writes arguments.

The system prompt becomes one text, since not every server takes a list there. Thinking that only its writer can
read is left out. A tool that Anthropic's own API runs or describes is refused: nobody else knows it.
"""

import re
from typing import Any

import msgspec

from app.domain.chat import ChatRequest, Message, Part, ReasoningPart, TextPart, Tool, UnknownTool
from app.domain.errors import UnsupportedFeature
from app.wire.anthropic_messages import FORMAT

_ATTRIBUTION = re.compile(r"\s*x-anthropic-[a-z-]+:[^\n]*\n?", re.IGNORECASE)
# The highest words are Anthropic's own.
_EFFORTS = {"xhigh": "high", "max": "high"}


def portable(request: ChatRequest) -> ChatRequest:
    """Raises UnsupportedFeature."""
    effort = request.reasoning_effort
    return msgspec.structs.replace(
        request,
        messages=tuple(_message(message) for message in request.messages if not _is_attribution(message)),
        tools=tuple(
            sorted((_tool(tool, at) for at, tool in enumerate(request.tools)), key=lambda tool: tool.name)
        ),
        reasoning_effort=_EFFORTS.get(effort, effort) if effort else None,
    )


def _is_attribution(message: Message) -> bool:
    """Whether the message is a system prompt of which nothing would be left."""
    return message.role == "system" and not _prompt(message)


def _message(message: Message) -> Message:
    if message.role == "system":
        return msgspec.structs.replace(message, content=(TextPart(text=_prompt(message)),))
    if any(_is_sealed(part) for part in message.content):
        readable = tuple(part for part in message.content if not _is_sealed(part))
        return msgspec.structs.replace(message, content=readable)
    return message


def _prompt(message: Message) -> str:
    """The texts that are more than an attribution, without the attribution that begins one."""
    texts = (_without_attribution(part.text) for part in _texts(message))
    return "\n\n".join(text for text in texts if text.strip())


def _texts(message: Message) -> list[TextPart]:
    return [part for part in message.content if isinstance(part, TextPart)]


def _without_attribution(text: str) -> str:
    found = _ATTRIBUTION.match(text)
    return text[found.end() :] if found else text


def _is_sealed(part: Part) -> bool:
    return isinstance(part, ReasoningPart) and not part.text


def _tool(tool: Tool | UnknownTool, at: int) -> Tool:
    if isinstance(tool, UnknownTool):
        kind = tool.extensions.get(FORMAT, {}).get("type", "unknown")
        raise UnsupportedFeature(
            f"The tool type '{str(kind)[:64]}' works with Anthropic's own models only.", param=f"tools[{at}].type"
        )
    return msgspec.structs.replace(tool, parameters=_ordered(tool.parameters)) if tool.parameters else tool


def _ordered(schema: Any) -> Any:
    """A schema with its keywords in the order of their names, and its properties as they are."""
    if isinstance(schema, dict):
        return {
            name: {key: _ordered(inner) for key, inner in value.items()}
            if name == "properties" and isinstance(value, dict)
            else _ordered(value)
            for name, value in sorted(schema.items())
        }
    return [_ordered(item) for item in schema] if isinstance(schema, list) else schema
