"""One content block of a streamed answer while it is being read."""

from typing import Any

import msgspec

from app.wire.anthropic_messages.response import rest_of_text
from app.wire.fields import AnswerFields

_KNOWN = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})


class StreamedBlock:
    """What content_block_start told, and what came since.

    `rest`: the fields that the domain has no place for. `call`: the number of a tool call among the calls.
    """

    def __init__(self, index: int, fields: AnswerFields) -> None:
        """Raises ProviderProtocolError."""
        self.index = index
        self.kind = fields.required_text("type")
        self.text = ""
        self.signature: str | None = None
        self.id = ""
        self.name = ""
        self.call: int | None = None
        self.arguments: list[str] = []
        self._input: dict[str, Any] = {}
        self._take(fields)
        self.rest = rest_of_text(fields) if self.kind == "text" else fields.left()

    def _take(self, fields: AnswerFields) -> None:
        if self.kind == "text":
            self.text = fields.text("text") or ""
        elif self.kind == "thinking":
            self.text, self.signature = fields.text("thinking") or "", fields.text("signature")
        elif self.kind == "redacted_thinking":
            self.signature = fields.required_text("data")
        elif self.kind == "tool_use":
            self.id, self.name = fields.required_text("id"), fields.required_text("name")
            self._input = fields.object("input") or {}

    def input_text(self) -> str:
        """The arguments of a call that came whole, if any."""
        return msgspec.json.encode(self._input).decode()

    def entry(self) -> dict[str, Any] | None:
        """What has to be kept of the block where the domain has no place for it; see the package's docstring."""
        if self.kind not in _KNOWN:
            whole = {"index": self.index, "type": self.kind, **self.rest}
            return {**whole, "input": _parsed(self.arguments)} if self.arguments else whole
        return {"index": self.index, **self.rest} if self.kind == "text" and self.rest else None


def _parsed(pieces: list[str]) -> Any:
    """The input of a tool that the provider itself runs; text where it is no JSON."""
    text = "".join(pieces)
    try:
        return msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return text
