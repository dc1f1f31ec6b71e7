"""Tool calls in a stream: fragments that say which call they belong to, more or less."""

from collections.abc import Iterator

from app.domain.events import ChatEvent, ToolCallDelta, ToolCallStarted
from app.wire.fields import AnswerFields
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.messages import take_arguments


class StreamedCalls:
    """Counts the calls of each choice and knows which fragment continues which.

    Some servers leave the index out or give all calls the same one: then a new id with a name begins a call.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._current: dict[tuple[int, int | str], tuple[int, str]] = {}

    def read(self, delta: AnswerFields, choice: int, answer_id: str) -> Iterator[ChatEvent]:
        foreign = []
        for call in delta.items("tool_calls"):
            if type(call.rest.get("custom")) is dict:
                foreign.append(call.rest)
            else:
                yield from self._fragment(call, choice, answer_id)
        if foreign:
            delta.rest["tool_calls"] = foreign
        if function := delta.child("function_call"):
            delta.rest.pop("function_call")
            yield from self._legacy(function, choice)

    def _fragment(self, call: AnswerFields, choice: int, answer_id: str) -> Iterator[ChatEvent]:
        place = call.integer("index")
        id, name, arguments = call.text("id"), None, ""
        if function := call.child("function"):
            name, arguments = function.text("name"), take_arguments(function)
            call.prune("function")
        if call.rest.get("type") == "function":
            del call.rest["type"]
        key = (choice, "last" if place is None else place)
        current = self._current.get(key)
        left = call.left()
        extensions = {FORMAT: {"part": left}} if left else {}
        if current is None or (name and id and id != current[1]):
            if not name:
                raise call.wrong("function.name", "a name at the call's first fragment")
            index = self._begin(choice)
            id = id or f"{answer_id}-{choice}-{index}"
            self._current[key] = self._current[choice, "last"] = (index, id)
            yield ToolCallStarted(index=index, id=id, name=name, choice=choice, extensions=extensions)
            extensions = {}
        else:
            index = current[0]
        if arguments or extensions:
            yield ToolCallDelta(index=index, arguments=arguments, choice=choice, extensions=extensions)

    def _legacy(self, function: AnswerFields, choice: int) -> Iterator[ChatEvent]:
        """The old `function_call`: one, without an id."""
        name, arguments = function.text("name"), take_arguments(function)
        current = self._current.get((choice, "function_call"))
        if current is None:
            if not name:
                raise function.wrong("name", "a name at the call's first fragment")
            index = self._begin(choice)
            self._current[choice, "function_call"] = current = (index, name)
            extensions = {FORMAT: {"part": {"function_call": True}}}
            yield ToolCallStarted(index=index, id=name, name=name, choice=choice, extensions=extensions)
        if arguments:
            yield ToolCallDelta(index=current[0], arguments=arguments, choice=choice)

    def _begin(self, choice: int) -> int:
        index = self._counts.get(choice, 0)
        self._counts[choice] = index + 1
        return index
