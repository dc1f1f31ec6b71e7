"""Text completion requests: https://platform.openai.com/docs/api-reference/completions/create"""

from typing import Any

import msgspec

from app.domain.chat import CompletionRequest
from app.wire.fields import RequestFields, merge
from app.wire.head import Head, Peek, Positive, StreamOptions
from app.wire.json_text import parse_request
from app.wire.openai_chat.sampling import (
    DEFAULT_PROFILE,
    Profile,
    decode_sampling,
    encode_sampling,
    take_include_usage,
)
from app.wire.openai_completions import FORMAT
from app.wire.splice import splice
from app.wire.token_inputs import Inputs, encode_inputs, take_inputs

__all__ = ["FORMAT", "CompletionHead", "decode", "encode", "peek", "splice"]


class CompletionHead(Head, gc=False, kw_only=True, rename={"streams": "stream"}):
    """The fields that routing, limits and accounting look at; only their types are checked."""

    prompt: Inputs
    streams: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    n: Positive | None = None
    best_of: Positive | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None

    @property
    def stream(self) -> bool:
        return self.streams is True

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def max_output_tokens(self) -> int | None:
        return self.max_tokens


peek = Peek(
    CompletionHead,
    b'"model"',
    b'"stream"',
    b'"stream_options"',
    b'"prompt"',
    b'"max_tokens"',
    b'"n"',
    b'"best_of"',
)


def decode(body: bytes) -> CompletionRequest:
    """Raises InvalidRequest, with the dotted path of the field at fault in `param`."""
    fields = RequestFields(parse_request(body))
    top = fields.integer("logprobs")
    return CompletionRequest(
        model=fields.required_text("model"),
        prompts=take_inputs(fields, "prompt"),
        sampling=decode_sampling(
            fields,
            max_output_tokens=fields.integer("max_tokens"),
            logprobs=top is not None,
            top_logprobs=top,
        ),
        suffix=fields.text("suffix"),
        echo=fields.switch("echo"),
        best_of=fields.integer("best_of"),
        user=fields.text("user"),
        stream=fields.switch("stream"),
        include_usage=take_include_usage(fields),
        extensions=fields.extensions(FORMAT),
    )


def encode(
    request: CompletionRequest, *, profile: Profile = DEFAULT_PROFILE, dropped: list[str] | None = None
) -> bytes:
    """`dropped` is told the fields that `profile` has no place for."""
    sampling = request.sampling
    known: dict[str, Any] = {"model": request.model, "prompt": encode_inputs(request.prompts)}
    known.update(encode_sampling(sampling, profile, [] if dropped is None else dropped))
    further: dict[str, Any] = {
        "max_tokens": sampling.max_output_tokens,
        "logprobs": (sampling.top_logprobs or 0) if sampling.logprobs else None,
        "suffix": request.suffix,
        "echo": request.echo or None,
        "best_of": request.best_of,
        "user": request.user,
        "stream": request.stream or None,
        "stream_options": {"include_usage": True} if request.include_usage else None,
    }
    known.update({name: value for name, value in further.items() if value is not None})
    return msgspec.json.encode(merge(known, request.extensions.get(FORMAT)))
