"""/ws/chat as a caller sees it."""

import json
from collections.abc import Iterator
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.contract.parity.http_client import key_headers
from tests.contract.parity.openai_chat import chat_body
from tests.contract.parity.openai_errors import fault
from tests.contract.parity.outcome import (
    NO_DEADLINE,
    Answer,
    Argued,
    Asking,
    Called,
    Ended,
    Fault,
    Piece,
    Text,
    Thought,
    Used,
)

ID = "a"


class WebSocketChat:
    name = "WebSocket"
    streams = True

    def __init__(self, port: int) -> None:
        self.lacks = NO_DEADLINE
        self._url = f"ws://127.0.0.1:{port}/ws/chat"

    async def ask(self, asking: Asking) -> Answer:
        text = json.dumps({"id": ID, **chat_body(asking.request), **asking.wrong}, ensure_ascii=False)
        try:
            async with connect(
                self._url, additional_headers=key_headers(asking), max_size=None, proxy=None
            ) as socket:
                await socket.send(list(text) if asking.pieces else text)
                try:
                    async for message in socket:
                        frame = json.loads(message)
                        for piece in _frame(frame):
                            yield piece
                        if frame["type"] == "done":
                            return
                except BaseException as left:
                    if not isinstance(left, Fault):
                        await socket.send(json.dumps({"type": "cancel", "id": ID}))
                        while json.loads(await socket.recv())["type"] != "done":
                            pass
                    raise
        except InvalidStatus as refused:
            raise fault(refused.response.status_code, json.loads(refused.response.body or b""), None) from None


def _frame(frame: dict[str, Any]) -> Iterator[Piece]:
    match frame["type"]:
        case "delta":
            yield Text(frame["message"])
        case "reasoning":
            yield Thought(frame["message"])
        case "tool_call":
            if "call_id" in frame:
                yield Called(frame["index"], frame["call_id"], frame["name"])
            yield Argued(frame["index"], frame["arguments"])
        case "error":
            raise fault(frame["status"], frame, frame.get("retry_after"))
        case "done":
            yield Ended(frame["finish_reason"])
            if usage := frame["usage"]:
                cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
                yield Used(usage["prompt_tokens"], usage["completion_tokens"], cached)
