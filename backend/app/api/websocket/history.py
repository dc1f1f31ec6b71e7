"""The conversation that a socket keeps for turns sent with `"history": true`. Bounded; what is dropped is told."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.errors import Conflict
from app.domain.events import ReasoningDelta, RefusalDelta, StreamEvent, TextDelta, ToolCallDelta, UsageReported
from app.domain.streams import Collector
from app.wire.openai_chat.messages import REASONING_FIELDS, encode_message

MOST_MESSAGES = 200
MOST_BYTES = 256 * 1024
"""Of the messages as JSON."""

_STANDING = frozenset({"system", "developer"})


class Kept(msgspec.Struct, frozen=True):
    """How many messages are kept now, and how many older ones this turn has pushed out."""

    messages: int
    dropped: int


class Conversation:
    """One turn after the other. A turn that fails or is cancelled leaves it as it was.

    Instructions (system and developer messages) come first and go last; else the oldest turn is dropped, whole.
    """

    def __init__(self, most_messages: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._standing: list[bytes] = []
        self._turns: list[list[bytes]] = []
        self._turn: Turn | None = None

    def begin(self, messages: Sequence[Any]) -> "Turn":
        """Raises Conflict while another turn is under way: its answer is not known yet."""
        if self._turn is not None:
            raise Conflict(
                "A turn of this conversation is still under way: wait for its end, or cancel it.",
                code="turn_under_way",
                param="history",
            )
        self._turn = Turn(self, messages, self._most_bytes)
        return self._turn

    def messages(self) -> list[msgspec.Raw]:
        """All that is kept, each message as JSON."""
        return [msgspec.Raw(message) for message in self._all()]

    def clear(self) -> None:
        """Forget everything. The answer to a turn under way is not kept either."""
        self._standing, self._turns, self._turn = [], [], None

    def end(self, turn: "Turn", answer: Sequence[dict[str, Any]] | None) -> Kept | None:
        """Keep the turn with its answer, or leave it out; None when it is not kept at all."""
        if self._turn is not turn:
            return None
        self._turn = None
        if answer is None:
            return None
        spoken: list[bytes] = []
        for message in (*turn.messages, *answer):
            encoded = msgspec.json.encode(message)
            if not (isinstance(message, dict) and message.get("role") in _STANDING):
                spoken.append(encoded)
            elif encoded not in self._standing:
                self._standing.append(encoded)
        self._turns.append(spoken)
        before = len(self._all())
        self._trim()
        after = len(self._all())
        return Kept(after, before - after)

    def _trim(self) -> None:
        while self._turns and (self._too_large() or self._begins_with_a_result()):
            del self._turns[0]
        while self._too_large():
            del self._standing[0]

    def _too_large(self) -> bool:
        messages = self._all()
        return len(messages) > self._most_messages or sum(map(len, messages)) > self._most_bytes

    def _begins_with_a_result(self) -> bool:
        """A tool's result without the call before it is refused by every model."""
        first = self._turns[0]
        return bool(first) and msgspec.json.decode(first[0], type=_Role).role == "tool"

    def _all(self) -> list[bytes]:
        return [*self._standing, *(message for turn in self._turns for message in turn)]


class _Role(msgspec.Struct):
    role: str = ""


class Turn:
    """Messages on their way to a model, and the answer as it comes."""

    def __init__(self, conversation: Conversation, messages: Sequence[Any], most_bytes: int) -> None:
        self.messages = tuple(messages)
        self._conversation = conversation
        self._answer = Collector()
        self._room = most_bytes

    def add(self, event: StreamEvent) -> None:
        """An answer too long to be kept is not held on to either."""
        match event:
            case TextDelta() | RefusalDelta():
                self._room -= len(event.text)
            case ToolCallDelta():
                self._room -= len(event.arguments)
            case ReasoningDelta() | UsageReported():
                return
        if self._room >= 0:
            self._answer.add(event)  # type: ignore[arg-type]

    def keep(self) -> Kept | None:
        """The answer is complete."""
        if self._room < 0:
            self.leave()
            return Kept(len(self._conversation.messages()), len(self.messages) + 1)
        answer = [each for choice in self._answer.result().choices[:1] for each in encode_message(choice.message)]
        return self._conversation.end(self, [_without_thinking(each) for each in answer])

    def leave(self) -> None:
        """It failed or was cancelled. Safe after keep()."""
        self._conversation.end(self, None)


def _without_thinking(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in REASONING_FIELDS}
