"""What the upstream says in each format, as bytes made beforehand."""

import json

import msgspec

WORD = "token "
MODEL = "bench"
USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}

_CREATED = 1700000000
_TIME = "2023-11-14T22:13:20Z"
_SSE, _NDJSON = "text/event-stream", "application/x-ndjson"


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """`whole` is a response. A stream is `begin` with the response's head, a `piece` for each chunk, `last`, the
    `figures` where they were asked for, and `end`. `streams`: whatever is asked here; None: what asks for it.
    """

    whole: bytes
    begin: bytes = b""
    piece: bytes = b""
    last: bytes = b""
    figures: bytes = b""
    end: bytes = b"0\r\n\r\n"
    streams: bool | None = None


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _http(body: bytes, content_type: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _head(content_type: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()


def _framed(*frames: bytes) -> bytes:
    """One chunk of a chunked body."""
    data = b"".join(frames)
    return b"%x\r\n%b\r\n" % (len(data), data)


def _sse(value: object, event: str = "", line: bytes = b"\n") -> bytes:
    named = b"event: %b%b" % (event.encode(), line) if event else b""
    return named + b"data: %b%b" % (_json(value), line * 2)


def _openai() -> Answers:
    common = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": _CREATED, "model": MODEL}

    def chunk(delta: dict[str, str], finish: str | None) -> bytes:
        return _sse({**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    message = {"role": "assistant", "content": WORD * 20}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    whole = {**common, "object": "chat.completion", "choices": choices, "usage": USAGE}
    return Answers(
        whole=_http(json.dumps(whole).encode()),
        begin=_head(_SSE),
        piece=_framed(chunk({"content": WORD}, None)),
        last=_framed(chunk({}, "stop")),
        figures=_framed(_sse({**common, "choices": [], "usage": USAGE})),
        end=_framed(b"data: [DONE]\n\n") + b"0\r\n\r\n",
    )


def _anthropic() -> Answers:
    message: dict[str, object] = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "stop_sequence": None,
    }
    used = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    text = [{"type": "text", "text": WORD * 20}]
    whole = {**message, "content": text, "stop_reason": "end_turn", "usage": {**used, "output_tokens": 20}}
    started = {**message, "content": [], "stop_reason": None, "usage": {**used, "output_tokens": 1}}
    ended = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 20}}

    def event(type: str, **fields: object) -> bytes:
        return _sse({"type": type, **fields}, type)

    return Answers(
        whole=_http(_json(whole)),
        begin=_head(_SSE)
        + _framed(
            event("message_start", message=started),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            event("ping"),
        ),
        piece=_framed(event("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD})),
        last=_framed(event("content_block_stop", index=0), event("message_delta", **ended), event("message_stop")),
    )


def _gemini(*, streams: bool) -> Answers:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 20, "totalTokenCount": 30}
    common = {"usageMetadata": usage, "modelVersion": MODEL, "responseId": "bench"}

    def frame(text: str, **finish: str) -> dict[str, object]:
        content = {"parts": [{"text": text}], "role": "model"}
        return {"candidates": [{"content": content, **finish, "index": 0}], **common}

    return Answers(
        whole=_http(_json(frame(WORD * 20, finishReason="STOP"))),
        begin=_head(_SSE),
        piece=_framed(_sse(frame(WORD), line=b"\r\n")),
        last=_framed(_sse(frame("", finishReason="STOP"), line=b"\r\n")),
        streams=streams,
    )


def _ollama() -> Answers:
    """The platform always asks Ollama for a stream. A whole answer is one of a single text, all of it at once."""

    def line(text: str, **more: object) -> bytes:
        message = {"role": "assistant", "content": text}
        return _json({"model": MODEL, "created_at": _TIME, "message": message, "done": False, **more}) + b"\n"

    durations = {"total_duration": 4, "load_duration": 1, "prompt_eval_duration": 1, "eval_duration": 2}
    done = line("", done=True, done_reason="stop", **durations, prompt_eval_count=10, eval_count=20)
    return Answers(
        whole=_http(line(WORD * 20) + done, _NDJSON),
        begin=_head(_NDJSON),
        piece=_framed(line(WORD)),
        last=_framed(done),
    )


OPENAI = _openai()
POSTS = {
    b"/v1/messages": _anthropic(),
    b"/v1beta/models/bench:generatecontent": _gemini(streams=False),
    b"/v1beta/models/bench:streamgeneratecontent?alt=sse": _gemini(streams=True),
    b"/api/chat": _ollama(),
    b"/api/show": Answers(whole=_http(_json({"capabilities": ["completion"], "model_info": {}}))),
}
"""By path, in small letters; OpenAI's at every other."""

MODELS = _http(
    _json({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}]})
)
GETS = {
    b"/api/version": _http(_json({"version": "0.13.0"})),
    b"/api/tags": _http(_json({"models": [{"name": "bench:latest", "digest": "b", "size": 1}]})),
    b"/api/ps": _http(_json({"models": []})),
    b"/v1beta/models?pagesize=1": _http(_json({"models": [{"name": "models/bench"}]})),
}
"""By path, in small letters; the list of models at every other."""

NO_LENGTH = b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n"
