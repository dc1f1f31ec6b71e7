"""Chat and ChatUnary as a caller sees them."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from app.domain.chat import ChatRequest, Message
from tests.contract.parity.outcome import Answer, Argued, Asking, Called, Ended, Fault, Piece, Text, Thought, Used
from tests.contract.parity.request_parts import calls, functions, results, texts

Code = grpc.StatusCode
WORDS = {
    Code.INVALID_ARGUMENT: "invalid",
    Code.OUT_OF_RANGE: "too_long",
    Code.UNIMPLEMENTED: "invalid",
    Code.UNAUTHENTICATED: "unauthenticated",
    Code.NOT_FOUND: "not_found",
    Code.RESOURCE_EXHAUSTED: "rate_limited",
    Code.DEADLINE_EXCEEDED: "timeout",
    Code.UNAVAILABLE: "server",
    Code.DATA_LOSS: "server",
    Code.FAILED_PRECONDITION: "server",
    Code.INTERNAL: "server",
}
_REASON = "FINISH_REASON_"


class GrpcChat:
    def __init__(self, channel: grpc.aio.Channel, *, streams: bool) -> None:
        self.name = "gRPC Chat" if streams else "gRPC ChatUnary"
        self.streams = streams
        self.lacks = {"wrong type": "a message of this protocol holds no value of a wrong type"}
        self._stub: Any = InferenceStub(channel)

    async def ask(self, asking: Asking) -> Answer:
        key = () if asking.key is None else (("authorization", f"Bearer {asking.key}"),)
        method = self._stub.Chat if self.streams else self._stub.ChatUnary
        call = method(_request(asking.request), metadata=key, timeout=asking.deadline)
        try:
            if not self.streams:
                for piece in _reply(await call):
                    yield piece
                return
            while (event := await call.read()) is not grpc.aio.EOF:
                for piece in _event(event):
                    yield piece
        except grpc.aio.AioRpcError as error:
            raise _fault(error) from None
        finally:
            call.cancel()


def _fault(error: grpc.aio.AioRpcError) -> Fault:
    """A limit of a provider is told as its fault, by its name."""
    trailing = {name: value for name, value in error.trailing_metadata() or ()}
    after = trailing.get("retry-after")
    word = WORDS[error.code()]
    if error.code() is Code.RESOURCE_EXHAUSTED and _provider(trailing.get("grpc-status-details-bin", b"")):
        word = "server"
    return Fault(word, None if after is None else float(after))


def _provider(details: Any) -> str:
    for detail in Status.FromString(details).details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return str(info.metadata.get("provider", ""))
    return ""


def _reply(reply: Any) -> Iterator[Piece]:
    (choice,) = reply.choices
    for index, part in enumerate(choice.message.parts):
        match part.WhichOneof("kind"):
            case "text":
                yield Text(part.text)
            case "reasoning":
                yield Thought(part.reasoning.text)
            case "tool_call":
                yield Called(index, part.tool_call.id, part.tool_call.name)
                yield Argued(index, part.tool_call.arguments)
    yield _ended(choice.finish_reason)
    if reply.HasField("usage"):
        yield _used(reply.usage)


def _event(event: Any) -> Iterator[Piece]:
    match event.WhichOneof("event"):
        case "text":
            yield Text(event.text.text)
        case "reasoning":
            yield Thought(event.reasoning.text)
        case "tool_call_started":
            yield Called(event.tool_call_started.index, event.tool_call_started.id, event.tool_call_started.name)
        case "tool_call":
            yield Argued(event.tool_call.index, event.tool_call.arguments)
        case "finished":
            yield _ended(event.finished.reason)
        case "usage":
            yield _used(event.usage)


def _ended(reason: Any) -> Ended:
    return Ended(pb.FinishReason.Name(reason).removeprefix(_REASON).lower())


def _used(usage: Any) -> Used:
    return Used(usage.input_tokens, usage.output_tokens, usage.cached_tokens)


def _request(request: ChatRequest) -> Any:
    sampling, form = request.sampling, request.response_format
    found = pb.ChatRequest(
        model=request.model,
        messages=[_message(message) for message in request.messages],
        stop=sampling.stop,
        temperature=sampling.temperature,
        max_output_tokens=sampling.max_output_tokens,
        reasoning_effort=request.reasoning_effort or "",
        tools=[pb.Tool(name=tool.name, parameters=json.dumps(tool.parameters)) for tool in functions(request)],
    )
    if form is not None:
        kind = pb.ResponseFormat.KIND_JSON_SCHEMA
        schema = json.dumps(form.schema)
        found.response_format.CopyFrom(pb.ResponseFormat(kind=kind, name=form.name or "", schema=schema))
    return found


def _message(message: Message) -> Any:
    said = texts(message.content)
    parts = [pb.Part(text=said)] if said else []
    for call in calls(message.content):
        parts.append(pb.Part(tool_call=pb.ToolCall(id=call.id, name=call.name, arguments=call.arguments)))
    for result in results(message):
        answer = texts(result.content)
        parts.append(pb.Part(tool_result=pb.ToolResult(call_id=result.call_id, content=answer)))
    return pb.Message(role=f"ROLE_{message.role.upper()}", parts=parts)
