"""What a call will take in tokens, told before anybody is asked, and exchanged for what was used at its end.

The bytes of a request are not decoded for it, as most are handed on as they are: the prompt is a quarter of them.
Pictures and documents in base64 would count for far more than they cost: requests that hold some are looked into.
"""

from contextlib import suppress
from typing import Any

import msgspec

from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import PlatformError
from app.domain.events import Opaque, ReasoningDelta, RefusalDelta, StreamEvent, TextDelta, ToolCallDelta
from app.domain.exchange import Places
from app.domain.limits import Estimate
from app.domain.rerank import RerankRequest
from app.domain.token_estimate import BYTES_PER_TOKEN, estimate_tokens
from app.domain.usage import Usage
from app.domain.whole import Whole
from app.inference.call import Call

MOST = 10_000_000
"""No request takes more: what a caller writes into `max_tokens` has no other bound."""


class _Wanted(msgspec.Struct, gc=False):
    """The names under which the formats ask for the length and number of answers, their types checked before."""

    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    n: Any = None
    best_of: Any = None
    prompt: Any = None


_wanted = msgspec.json.Decoder(_Wanted).decode

_WITHOUT_OUTPUT = ("embeddings", "rerank")

_BASE64 = b"base64"
_LONG = 16 * 1024
_LEAPS = 500


def estimate(call: Call, output_tokens: int) -> Estimate:
    """`output_tokens`: of an answer whose request names no maximum."""
    encoded = call.encoded
    if encoded is None:
        return _of(call.request, output_tokens)
    body, prompt = encoded.body, _length(call, encoded.body)
    if call.operation in _WITHOUT_OUTPUT:
        return Estimate(prompt, 0)
    wanted = _wanted(body) if encoded.places is None else _wanted_at(encoded.places, body)
    # A provider heeds any one of several maxima, and the caller may not pick the one that is counted.
    limit = _largest(wanted.max_completion_tokens, wanted.max_output_tokens, wanted.max_tokens)
    answers = 1 if wanted.n is wanted.best_of is None else _largest(wanted.n, wanted.best_of, 1)
    if call.operation == "text_completion":
        answers *= _prompts(wanted.prompt)
    return _bounded(prompt, (limit or output_tokens) * answers, not limit)


def prompt_tokens(call: Call) -> int:
    """What whoever was asked has read, where nobody tells."""
    if call.prompt is not None:
        return call.prompt.about
    if call.encoded is not None:
        return min(_length(call, call.encoded.body), MOST)
    try:
        return _of(call.request, 0).input_tokens
    except PlatformError:
        return 0


def answer_tokens(call: Call, whole: Whole) -> int:
    """About how many an answer has of which nobody tells; what stands around its texts counts with them where they
    were not read. Vectors and scores are none.
    """
    if call.operation in _WITHOUT_OUTPUT:
        return 0
    return -(-sum(map(_size, whole.events)) // BYTES_PER_TOKEN)


def _size(event: StreamEvent) -> int:
    match event:
        case Opaque():
            return len(event.data)
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            return len(event.text.encode())
        case ToolCallDelta():
            return len(event.arguments.encode())
    return 0


def _length(call: Call, body: bytes) -> int:
    if _BASE64 in body if len(body) < _LONG else _names_base64(body):
        with suppress(PlatformError):  # unreadable here; whoever is asked will say so
            return _of(call.request, 0).input_tokens
    return len(body) // BYTES_PER_TOKEN + 1


def _names_base64(body: bytes) -> bool:
    """Looking for one byte leaps over a text that hardly has it. Where that gets nowhere, the word is looked for
    from the end, which Python does three times as fast as from the beginning.
    """
    at = -1
    for _ in range(_LEAPS):
        at = body.find(b"6", at + 1)
        if at < 0:
            return False
        if body[max(at - 4, 0) : at + 2] == _BASE64:
            return True
    return body.rfind(_BASE64) >= 0


def _wanted_at(places: Places, body: bytes) -> _Wanted:
    found = {name: places[name] for name in _Wanted.__struct_fields__ if name in places}
    return _Wanted(**{name: msgspec.json.decode(body[start:end]) for name, (start, end) in found.items()})


def settled(expected: Estimate, error: BaseException | None, usage: Usage | None, asked: bool) -> Usage | None:
    """What is held against the limits at the end. Where nobody told what was used, it is the estimate:
    who leaves early, or asks for no usage, gets nothing for free. `asked`: whether any provider was.
    """
    if usage is not None and not usage.estimated:
        return usage
    if usage is not None:
        return Usage(
            input_tokens=usage.input_tokens or expected.input_tokens,
            output_tokens=usage.output_tokens,
            estimated=True,
        )
    if error is None:
        return Usage(input_tokens=expected.input_tokens, output_tokens=expected.output_tokens, estimated=True)
    if asked and not isinstance(error, PlatformError):  # the caller left
        return Usage(input_tokens=expected.input_tokens, estimated=True)
    return None


def _of(
    request: ChatRequest | CompletionRequest | EmbeddingRequest | RerankRequest, output_tokens: int
) -> Estimate:
    if isinstance(request, EmbeddingRequest | RerankRequest):
        return Estimate(sum(map(_text, request.inputs)), 0)
    sampling = request.sampling
    each, assumed = sampling.max_output_tokens or output_tokens, not sampling.max_output_tokens
    if isinstance(request, ChatRequest):
        return _bounded(estimate_tokens(request), each * max(1, sampling.n), assumed)
    answers = max(1, sampling.n, request.best_of or 1) * max(1, len(request.prompts))
    return _bounded(sum(map(_text, request.prompts)), each * answers, assumed)


def _text(text: str | tuple[int, ...]) -> int:
    return len(text) if not isinstance(text, str) else len(text.encode()) // BYTES_PER_TOKEN + 1


def _largest(*values: Any) -> int:
    """Of those that are numbers; 0 where none is one."""
    largest = 0
    for value in values:
        if type(value) is int and value > largest:
            largest = value
    return largest


def _prompts(prompt: Any) -> int:
    """How many there are: an array of numbers is one, in tokens."""
    return len(prompt) if type(prompt) is list and prompt and type(prompt[0]) is not int else 1


def _bounded(input_tokens: int, output_tokens: int, assumed: bool) -> Estimate:
    return Estimate(min(input_tokens, MOST), min(output_tokens, MOST), assumed)
