"""What belongs together: the session of a call, and the beginning of its prompt. For the sticky strategies."""

import msgspec

from app.domain.chat import ChatRequest
from app.domain.errors import PlatformError
from app.inference.call import Call

PREFIX_BYTES = 4096

_CACHE_KEY = ("openai_chat", "prompt_cache_key"), ("openai_responses", "prompt_cache_key")


def session_of(call: Call) -> bytes:
    """The caller's own word for it: the x-session-id header, prompt_cache_key, the end user; else the caller."""
    if call.session:
        return call.session.encode()
    request = _chat(call)
    if request is None:
        return call.principal.id.encode()
    for format, field in _CACHE_KEY:
        key = request.extensions.get(format, {}).get(field)
        if isinstance(key, str):
            return key.encode()
    return (request.user or call.principal.id).encode()


def prefix_of(call: Call) -> bytes:
    """The prompt's beginning, up to the end of the first user message: the turns of a conversation have it in
    common, and so have conversations that begin alike.
    """
    request = _chat(call)
    if request is None:
        return call.encoded.body[:PREFIX_BYTES] if call.encoded else b""
    begin = bytearray()
    for message in request.messages:
        begin += msgspec.json.encode(message.content)
        if message.role == "user" or len(begin) >= PREFIX_BYTES:
            break
    return bytes(begin[:PREFIX_BYTES])


def _chat(call: Call) -> ChatRequest | None:
    """None for another operation, and for a request that the provider will have to refuse."""
    if call.operation != "chat":
        return None
    try:
        request = call.request
    except PlatformError:
        return None
    return request if isinstance(request, ChatRequest) else None
