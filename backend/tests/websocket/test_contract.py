"""The front-end under the contract of every integration, and its table of errors."""

import pytest

from app.api.websocket.frames import error_frame
from app.api.websocket.front_end import WebSocketApi
from app.domain.errors import ErrorKind, PlatformError
from app.testing.contract import IntegrationContract


class TestWebSocketApi(IntegrationContract):
    integration = WebSocketApi
    bad_settings = ({"unknown": 1},)


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_has_its_frame(kind: ErrorKind) -> None:
    error = PlatformError("words")
    error.kind = kind
    frame = error_frame("a", error, "req-1")
    assert (frame["id"], frame["type"], frame["request_id"]) == ("a", "error", "req-1")
    assert frame["status"] >= 400
    assert frame["error"]["type"]
