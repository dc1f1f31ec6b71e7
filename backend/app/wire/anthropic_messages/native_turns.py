"""A conversation of another format as every model of Anthropic's takes it.

The system prompt stands first. Turns of the user and the assistant alternate, and the results of parallel calls
are in one. No text is empty. The ids of calls are of a few characters only. Thinking comes back with the signature
that its writer gave it, or not at all.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from app.domain.chat import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCall,
    ToolResult,
)
from app.wire.anthropic_messages import FORMAT

_ROLES: dict[Role, Role] = {"developer": "system", "tool": "user"}
_Turn = tuple[Role, tuple[Any, ...]]
_NO_ID = re.compile(r"[^A-Za-z0-9_-]")
# How OpenAI's encrypted reasoning begins (a Fernet token); it comes along when a conversation goes on elsewhere.
_OPENAIS = "gAAAA"


def native_turns(messages: Sequence[Message], dropped: list[str]) -> tuple[Message, ...]:
    """`dropped` is told what no place was found for."""
    if any([message.name is not None for message in messages]):
        dropped.append("messages.name")
    if any([type(part) is ReasoningPart and not _is_signed(part) for each in messages for part in each.content]):
        dropped.append("messages.reasoning")
    fitted = [(_ROLES.get(message.role, message.role), _fit(message.content)) for message in messages]
    prompt_first = sorted([turn for turn in fitted if turn[1]], key=_follows_the_prompt)
    return tuple([_joined(role, turns) for role, turns in groupby(prompt_first, key=itemgetter(0))])


def _follows_the_prompt(turn: _Turn) -> bool:
    return turn[0] != "system"


def _joined(role: Role, turns: Iterable[_Turn]) -> Message:
    return Message(role=role, content=tuple([part for _, parts in turns for part in parts]))


def _fit(parts: Iterable[Part]) -> tuple[Any, ...]:
    return tuple([_fitted(part) for part in parts if _fits(part)])


def _fits(part: Part) -> bool:
    if isinstance(part, TextPart | RefusalPart):
        return bool(part.text)
    return not isinstance(part, ReasoningPart) or _is_signed(part)


def _fitted(part: Part) -> Part:
    if isinstance(part, TextPart):
        return part
    if isinstance(part, ToolCall):
        return msgspec.structs.replace(part, id=_id(part.id))
    if isinstance(part, ToolResult):
        return msgspec.structs.replace(part, call_id=_id(part.call_id), content=_fit(part.content))
    return _document(part) if isinstance(part, FilePart) else part


def _is_signed(part: ReasoningPart) -> bool:
    return part.signature is not None and not part.signature.startswith(_OPENAIS)


def _id(id: str) -> str:
    """The same for a call and its result."""
    return _NO_ID.sub("_", id) or "_"


def _document(file: FilePart) -> FilePart | TextPart:
    """A text goes as the text that it is: as base64 this API takes PDFs alone."""
    if file.data is None or not (file.media_type or "").startswith("text/"):
        return file
    try:
        text = b64decode(file.data).decode()
    except ValueError:
        return file
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain"}, "title": file.filename}
    kept = {name: value for name, value in document.items() if value is not None}
    return TextPart(text=text, extensions={FORMAT: kept})
