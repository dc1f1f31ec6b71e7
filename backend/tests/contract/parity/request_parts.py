"""The parts of a domain request that drivers spell in their protocol's way."""

from app.domain.chat import ChatRequest, Message, Part, TextPart, Tool, ToolCall, ToolResult


def texts(parts: tuple[object, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def calls(parts: tuple[Part, ...]) -> list[ToolCall]:
    return [part for part in parts if isinstance(part, ToolCall)]


def results(message: Message) -> list[ToolResult]:
    return [part for part in message.content if isinstance(part, ToolResult)]


def functions(request: ChatRequest) -> list[Tool]:
    return [tool for tool in request.tools if isinstance(tool, Tool)]
