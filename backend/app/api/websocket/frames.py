"""What travels: one JSON object a frame, both ways. Which frames there are: docs/websocket.md."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.api.standings import told
from app.domain.errors import InvalidRequest, PlatformError, RateLimited
from app.wire.json_limits import check_depth
from app.wire.json_text import parse_request
from app.wire.openai_chat.errors import encode, error_object

CallId = str | int
_LONGEST_ID = 200


class Frame(msgspec.Struct, frozen=True):
    """What a client sent. `id` names the call that it is about; `fields` is the whole object."""

    type: str
    id: CallId | None
    fields: dict[str, Any]


def decode(message: Mapping[str, Any], depth: int) -> Frame:
    """The frame in an ASGI `websocket.receive`. Raises InvalidRequest."""
    text = message.get("text")
    if text is None:
        raise InvalidRequest("Frames are JSON text; a binary one is not read here.", code="binary_frame")
    body = text.encode()
    check_depth(body, depth)
    fields = parse_request(body)
    if type(fields) is not dict:
        raise InvalidRequest("A frame is a JSON object.", code="invalid_type")
    kind = fields.get("type", "chat")
    if type(kind) is not str:
        raise InvalidRequest("'type': expected a string.", code="invalid_type", param="type")
    return Frame(kind, _id(fields.get("id")), fields)


def _id(value: object) -> CallId | None:
    if value is None or type(value) is int or (type(value) is str and 0 < len(value) <= _LONGEST_ID):
        return value
    raise InvalidRequest(
        f"'id': expected an integer or a string of 1 to {_LONGEST_ID} characters.", code="invalid_type", param="id"
    )


def error_frame(id: CallId | None, error: PlatformError, request_id: str | None = None) -> dict[str, Any]:
    """The error as REST has it in a body; its HTTP status and Retry-After stand beside it."""
    frame: dict[str, Any] = {"id": id, "type": "error", **error_object(error), "status": encode(error)[0]}
    if error.retry_after is not None:
        frame["retry_after"] = error.retry_after
    if isinstance(error, RateLimited) and error.standings:
        frame["limits"] = told(error.standings)
    if request_id is not None:
        frame["request_id"] = request_id
    return frame
