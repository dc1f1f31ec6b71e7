"""What is asked of a chat or text model, and what it answers. One vocabulary for every dialect.

`extensions[format]` holds the fields of one wire format that have no place here; only an encoder of that
same format gives them back, so a same-format round trip loses nothing and no dialect leaks into another.
"""

from typing import Any, Literal

import msgspec

from app.domain.usage import Usage

Extensions = dict[str, dict[str, Any]]
Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error"]


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen value with room for what one wire format alone knows."""

    extensions: Extensions = {}


class TextPart(Value, frozen=True, tag="text"):
    text: str


class ImagePart(Value, frozen=True, tag="image"):
    """An image by `url` (http, https) or by `data` (base64 text) with its `media_type`."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None


class AudioPart(Value, frozen=True, tag="audio"):
    """Sound as base64 text; `format` is wav, mp3, …"""

    data: str
    format: str


class FilePart(Value, frozen=True, tag="file"):
    """A document by base64 `data` or by the provider's own `file_id`."""

    data: str | None = None
    file_id: str | None = None
    filename: str | None = None
    media_type: str | None = None


class RefusalPart(Value, frozen=True, tag="refusal"):
    text: str


class ReasoningPart(Value, frozen=True, tag="reasoning"):
    """Thinking that came before an answer. `signature` proves it to the provider that wrote it."""

    text: str
    signature: str | None = None


class ToolCall(Value, frozen=True, tag="tool_call"):
    """The model asks for a tool. `arguments` is the JSON text as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str


class ToolResult(Value, frozen=True, tag="tool_result"):
    call_id: str
    content: "tuple[TextPart | ImagePart | AudioPart | FilePart | UnknownPart, ...]" = ()
    is_error: bool = False


class UnknownPart(Value, frozen=True, tag="unknown"):
    """A part of a kind that the platform does not know: its format's own object, kept whole in extensions."""


Part = (
    TextPart | ImagePart | AudioPart | FilePart | RefusalPart | ReasoningPart | ToolCall | ToolResult | UnknownPart
)


class Message(Value, frozen=True):
    """One turn. Tool calls and results are parts, so their order among the text is kept."""

    role: Role
    content: tuple[Part, ...] = ()
    name: str | None = None


class Tool(Value, frozen=True, tag="function"):
    """A function that the model may call. `parameters` is a JSON Schema object."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class UnknownTool(Value, frozen=True, tag="unknown"):
    """A tool of a kind that the platform does not know: its format's own object, kept whole in extensions."""


class ToolChoice(Value, frozen=True):
    """auto: as the model likes; none; required: some tool; named: the one called `name`."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


class ResponseFormat(Value, frozen=True):
    kind: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class Sampling(Value, frozen=True):
    """How the next token is chosen and when to stop. None means: the provider's default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    n: int = 1


class ChatRequest(Value, frozen=True):
    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    tools: tuple[Tool | UnknownTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    stream: bool = False
    include_usage: bool = False


class CompletionRequest(Value, frozen=True):
    """Raw text in, text out. A prompt is text or token ids; several prompts make several choices."""

    model: str
    prompts: tuple[str | tuple[int, ...], ...]
    sampling: Sampling = Sampling()
    suffix: str | None = None
    echo: bool = False
    best_of: int | None = None
    user: str | None = None
    stream: bool = False
    include_usage: bool = False


class TokenLogprob(Value, frozen=True):
    """`top`: the alternatives at this place, best first. `bytes`: the token's UTF-8 bytes, when told."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: "tuple[TokenLogprob, ...]" = ()


class Choice(Value, frozen=True):
    index: int
    message: Message
    finish_reason: FinishReason | None = None
    stop_sequence: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


class ChatResult(Value, frozen=True):
    """A whole answer. `created`: Unix seconds. For a text completion the texts are the choices' messages."""

    id: str
    model: str
    created: int
    choices: tuple[Choice, ...]
    usage: Usage | None = None
