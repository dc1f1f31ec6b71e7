"""An OpenAI-compatible upstream that answers from bytes made beforehand, so that it costs almost nothing.

    python -m bench.upstream --port 9000 --chunks 100 --interval-ms 0

A request whose body holds `"stream":true` gets an event stream of `chunks` chunks, back to back or paced; any
other a whole completion. GET /v1/models lists one model. It reads no JSON and checks nothing.
"""

import argparse
import asyncio
import json

import uvloop

WORD = "token "


def _chunk(delta: dict[str, str], finish: str | None) -> bytes:
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "bench",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n".encode()


def _http(body: bytes, content_type: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
WHOLE = _http(
    json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1700000000,
            "model": "bench",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": WORD * 20}, "finish_reason": "stop"}
            ],
            "usage": USAGE,
        }
    ).encode()
)
MODELS = _http(b'{"object":"list","data":[{"id":"bench","object":"model","created":0,"owned_by":"bench"}]}')
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = _framed(_chunk({"content": WORD}, None))
STREAM_END = _framed(_chunk({}, "stop")) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    def __init__(self, chunks: int, interval: float) -> None:
        self._chunks = chunks
        self._interval = interval
        self._head = b""
        self._left = 0
        self._wants_stream = False
        self._tail = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Counts a body rather than keeping it: holding on to 1 MB would cost more than the gateway does."""
        while data:
            if not self._left:
                self._head += data
                end = self._head.find(b"\r\n\r\n")
                if end < 0:
                    return
                head, data = self._head[:end], self._head[end + 4 :]
                self._is_get, self._head, self._tail, self._wants_stream = head.startswith(b"GET"), b"", b"", False
                self._left = _content_length(head.lower())
            body, data = data[: self._left], data[self._left :]
            self._left -= len(body)
            self._wants_stream |= b'"stream":true' in self._tail + body
            self._tail = body[-16:]
            if not self._left:
                self._answer()

    def _answer(self) -> None:
        if self._is_get:
            self._transport.write(MODELS)
        elif self._wants_stream:
            self._transport.write(STREAM_HEAD)
            self._stream(self._chunks)
        else:
            self._transport.write(WHOLE)

    def _stream(self, left: int) -> None:
        loop = asyncio.get_running_loop()
        if self._transport.is_closing():
            return
        if not left:
            self._transport.write(STREAM_END)
        elif self._interval:
            self._transport.write(PIECE)
            loop.call_later(self._interval, self._stream, left - 1)
        else:
            # One write a turn of the loop: chunks arrive apart, as from a model, not as one block.
            self._transport.write(PIECE)
            loop.call_soon(self._stream, left - 1)


def _content_length(head: bytes) -> int:
    at = head.find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def serve(port: int, chunks: int, interval: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(chunks, interval), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--chunks", type=int, default=100)
    arguments.add_argument("--interval-ms", type=float, default=0)
    given = arguments.parse_args()
    uvloop.run(serve(given.port, given.chunks, given.interval_ms / 1000))


if __name__ == "__main__":
    main()
