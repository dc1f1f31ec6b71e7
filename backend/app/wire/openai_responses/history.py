"""A conversation that goes on from a stored response: what of an answer is kept, and how its turns are laid before
the new items.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])


class Turn(msgspec.Struct, frozen=True):
    """`items`: what was given, a JSON array. `response`: what was answered, the response's JSON."""

    items: bytes
    response: bytes


class Final(msgspec.Struct, frozen=True):
    """A whole answer: its own id, and its JSON."""

    id: str
    response: bytes


class _Given(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b"[]")


class _Answered(msgspec.Struct):
    output: list[msgspec.Raw] = []


class _Known(msgspec.Struct):
    id: str
    status: str = "completed"


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw(b"")


_ENDS = frozenset({"completed", "incomplete"})
_MARK = re.compile(rb'"response\.(?:completed|incomplete)"')
_DATA = re.compile(rb"^data: *(\{.*)$", re.MULTILINE)


def own_items(body: bytes) -> bytes:
    """The items of a request's `input` as a JSON array. `body` has been through the format's peek."""
    given = bytes(msgspec.json.decode(body, type=_Given).input)
    if not given.startswith(b'"'):
        return given if given != b"null" else b"[]"
    text = msgspec.json.decode(given, type=str)
    content = [{"type": "input_text", "text": text}]
    return msgspec.json.encode([{"type": "message", "role": "user", "content": content}])


def expand(body: bytes, turns: Iterable[Turn]) -> bytes:
    """`body` with the items of `turns`, oldest first, before its own, and without previous_response_id."""
    members = _members.decode(body)
    members.pop("previous_response_id", None)
    items: list[msgspec.Raw] = []
    for turn in turns:
        items += _items.decode(turn.items)
        items += msgspec.json.decode(turn.response, type=_Answered).output
    items += _items.decode(own_items(body))
    members["input"] = msgspec.Raw(msgspec.json.encode(items))
    return msgspec.json.encode(members)


def listed(items: bytes, response_id: str) -> list[dict[str, Any]]:
    """The items as a list shows them: each with an id and a type, each content as parts."""
    suffix = response_id.removeprefix("resp_")
    found: list[dict[str, Any]] = msgspec.json.decode(items, type=list[dict[str, Any]])
    for index, item in enumerate(found):
        item.setdefault("type", "message")
        item.setdefault("id", f"{'msg' if item['type'] == 'message' else 'item'}_{suffix}_in{index}")
        if type(item.get("content")) is str:
            kind = "output_text" if item.get("role") == "assistant" else "input_text"
            item["content"] = [{"type": kind, "text": item["content"]}]
    return found


def final(data: bytes, *, whole: bool) -> Final | None:
    """The response in `data`, a body or a run of stream frames, if it is all there and did not fail."""
    if whole:
        return _final(data)
    if not _MARK.search(data):
        return None
    for frame in _DATA.finditer(data):
        try:
            event = msgspec.json.decode(frame[1], type=_Event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if event.type.removeprefix("response.") in _ENDS:
            return _final(bytes(event.response))
    return None


def _final(response: bytes) -> Final | None:
    try:
        known = msgspec.json.decode(response, type=_Known)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Final(known.id, response) if known.status in _ENDS else None
