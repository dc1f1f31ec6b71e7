"""Requests, from protobuf to the domain. Every fault is an InvalidRequest that names the field."""

from typing import Any, NoReturn, TypeVar, cast

from app.api.grpc.content import decode_message, refuse
from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.domain.chat import (
    ChatRequest,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    Tool,
    ToolChoice,
)
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest
from app.wire.json_limits import check_depth
from app.wire.json_text import parse_request

_MODEL_NAME_LIMIT = 512
_MODES = {
    pb.ToolChoice.MODE_UNSPECIFIED: "auto",
    pb.ToolChoice.MODE_AUTO: "auto",
    pb.ToolChoice.MODE_NONE: "none",
    pb.ToolChoice.MODE_REQUIRED: "required",
    pb.ToolChoice.MODE_NAMED: "named",
}
_KINDS = {
    pb.ResponseFormat.KIND_UNSPECIFIED: "text",
    pb.ResponseFormat.KIND_TEXT: "text",
    pb.ResponseFormat.KIND_JSON_OBJECT: "json_object",
    pb.ResponseFormat.KIND_JSON_SCHEMA: "json_schema",
}
T = TypeVar("T")


def decode_chat(request: pb.ChatRequest, *, stream: bool, depth: int) -> ChatRequest:
    """`depth`: how deep a schema may nest. Raises InvalidRequest."""
    return ChatRequest(
        model=model_name(request.model),
        messages=_messages(request),
        sampling=_sampling(request),
        tools=tuple(_tool(tool, f"tools[{index}]", depth) for index, tool in enumerate(request.tools)),
        tool_choice=_tool_choice(request.tool_choice) if request.HasField("tool_choice") else None,
        parallel_tool_calls=given(request, "parallel_tool_calls"),
        response_format=_form(request.response_format, depth) if request.HasField("response_format") else None,
        reasoning_effort=request.reasoning_effort or None,
        user=request.user or None,
        stream=stream,
        include_usage=stream,
    )


def decode_embedding(request: pb.EmbedRequest) -> EmbeddingRequest:
    """Raises InvalidRequest."""
    if not request.inputs:
        refuse("inputs", "needs at least one text")
    return EmbeddingRequest(
        model=model_name(request.model),
        inputs=tuple(request.inputs),
        dimensions=_positive(request, "dimensions"),
        user=request.user or None,
    )


def model_name(name: str) -> str:
    """Raises InvalidRequest."""
    if not name:
        refuse("model", "is required")
    if len(name) > _MODEL_NAME_LIMIT or not name.isprintable():
        refuse("model", "is too long for a name, or holds characters that no name has")
    return name


def given(request: Any, field: str) -> Any:
    """The value of an `optional` field; None when it was not sent."""
    return getattr(request, field) if request.HasField(field) else None


def _messages(request: pb.ChatRequest) -> tuple[Message, ...]:
    if request.prompt and request.messages:
        refuse("prompt", "can't stand beside 'messages'")
    if request.prompt:
        return (Message(role="user", content=(TextPart(text=request.prompt),)),)
    if not request.messages:
        refuse("messages", "needs at least one message, or send 'prompt'")
    return tuple(decode_message(each, f"messages[{index}]") for index, each in enumerate(request.messages))


def _sampling(request: pb.ChatRequest) -> Sampling:
    return Sampling(
        temperature=given(request, "temperature"),
        top_p=given(request, "top_p"),
        top_k=given(request, "top_k"),
        seed=given(request, "seed"),
        stop=tuple(request.stop),
        max_output_tokens=given(request, "max_output_tokens"),
        presence_penalty=given(request, "presence_penalty"),
        frequency_penalty=given(request, "frequency_penalty"),
        logit_bias=dict(request.logit_bias) or None,
        logprobs=request.logprobs,
        top_logprobs=given(request, "top_logprobs"),
        n=_positive(request, "n") or 1,
    )


def _positive(request: Any, field: str) -> int | None:
    value: int | None = given(request, field)
    if value is not None and value < 1:
        refuse(field, "must be at least 1")
    return value


def _tool(tool: pb.Tool, at: str, depth: int) -> Tool:
    if not tool.name:
        refuse(f"{at}.name", "is required")
    return Tool(
        name=tool.name,
        description=tool.description or None,
        parameters=_schema(tool.parameters, f"{at}.parameters", depth),
        strict=given(tool, "strict"),
    )


def _tool_choice(choice: pb.ToolChoice) -> ToolChoice:
    mode = _one_of(_MODES, choice.mode, "tool_choice.mode")
    if mode == "named" and not choice.name:
        refuse("tool_choice.name", "is required to name a tool")
    return ToolChoice(mode=cast("Any", mode), name=choice.name or None)


def _form(form: pb.ResponseFormat, depth: int) -> ResponseFormat:
    kind = _one_of(_KINDS, form.kind, "response_format.kind")
    schema = _schema(form.schema, "response_format.schema", depth)
    if kind == "json_schema" and schema is None:
        refuse("response_format.schema", "is required for this kind")
    return ResponseFormat(
        kind=cast("Any", kind),
        name=form.name or None,
        description=form.description or None,
        schema=schema,
        strict=given(form, "strict"),
    )


def _one_of(table: dict[Any, T], value: Any, field: str) -> T:
    """Enums are open: a newer client may send a number that has no name here."""
    if value not in table:
        refuse(field, "has a value that is not known here")
    return table[value]


def _schema(text: str, field: str, depth: int) -> dict[str, Any] | None:
    if not text:
        return None
    body = text.encode()
    try:
        check_depth(body, depth)
        schema = parse_request(body)
    except InvalidRequest as error:
        _refuse_as(error, field)
    if not isinstance(schema, dict):
        refuse(field, "must hold a JSON object")
    return schema


def _refuse_as(error: InvalidRequest, field: str) -> NoReturn:
    raise InvalidRequest(f"'{field}': {error.message}", param=field, code=error.code) from None
