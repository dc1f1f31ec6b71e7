"""The service Inference: decode, ask the router, encode."""

import asyncio
import time
from contextlib import aclosing

from app.api.cache_control import cache_control
from app.api.context import ApiContext
from app.api.grpc.decode import decode_chat, decode_embedding
from app.api.grpc.door import Rpc, caller, first, sent
from app.api.grpc.encode import encode_embeddings, encode_event, encode_reply
from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1 import inference_pb2_grpc
from app.api.limit_headers import metadata
from app.domain.chat import ChatRequest
from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.domain.errors import ProviderProtocolError
from app.domain.events import Opaque
from app.domain.streams import collect
from app.domain.tracing import received
from app.inference.call import Call, Operation


class Inference(inference_pb2_grpc.InferenceServicer):
    """Leaving is cancelling the task: every stream is closed by its holder, and with it the upstream."""

    def __init__(self, context: ApiContext, front_end: str) -> None:
        self._context = context
        self._front_end = front_end

    async def Chat(self, request: pb.ChatRequest, rpc: Rpc) -> None:  # noqa: N802 - the name in the .proto
        with self._call("chat", self._decode_chat(request, stream=True), rpc, stream=True) as call:
            async with aclosing(await self._context.router.open(call)) as stream:
                await rpc.send_initial_metadata(_headers(call))
                rpc.set_trailing_metadata(metadata(call.standings))
                async for event in stream:
                    if isinstance(event, Opaque | EmbeddingResult):
                        raise _strange(call)
                    await rpc.write(encode_event(event))

    async def ChatUnary(self, request: pb.ChatRequest, rpc: Rpc) -> pb.ChatReply:  # noqa: N802
        with self._call("chat", self._decode_chat(request, stream=False), rpc) as call:
            async with aclosing(await self._context.router.open(call)) as stream:
                result = await collect(stream)
            await rpc.send_initial_metadata(_headers(call))
            rpc.set_trailing_metadata(metadata(call.standings))
            return encode_reply(result)

    async def Embed(self, request: pb.EmbedRequest, rpc: Rpc) -> pb.EmbedReply:  # noqa: N802
        with self._call("embeddings", decode_embedding(request), rpc) as call:
            async with aclosing(await self._context.router.open(call)) as stream:
                results = [event async for event in stream]
            if len(results) != 1 or not isinstance(results[0], EmbeddingResult):
                raise _strange(call)
            await rpc.send_initial_metadata(_headers(call))
            rpc.set_trailing_metadata(metadata(call.standings))
            return encode_embeddings(results[0])

    def _decode_chat(self, request: pb.ChatRequest, *, stream: bool) -> ChatRequest:
        return decode_chat(request, stream=stream, depth=self._context.policy().json_depth)

    def _call(
        self, operation: Operation, request: ChatRequest | EmbeddingRequest, rpc: Rpc, *, stream: bool = False
    ) -> Call:
        asking, left = caller(), rpc.time_remaining()
        return Call(
            id=asking.id,
            operation=operation,
            model=request.model,
            decode=lambda: request,
            stream=stream,
            principal=asking.principal,
            front_end=self._front_end,
            route=asking.route,
            session=first(rpc, "x-session-id"),
            trace=received(first(rpc, "traceparent"), ",".join(sent(rpc, "tracestate"))),
            cache_control=cache_control(",".join(sent(rpc, "cache-control")).encode()),
            deadline=None if left is None else asyncio.get_running_loop().time() + left,
        )


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    """`x-llm-overhead-ms`: what the platform itself took until now. `x-llm-queue-ms`: waits for a place."""
    headers = [
        ("x-request-id", call.id),
        ("x-llm-provider", call.answered_by),
        ("x-llm-attempts", str(len(call.attempts))),
    ]
    if (overhead := call.overhead(time.perf_counter() - call.started)) is not None:
        headers.append(("x-llm-overhead-ms", f"{overhead * 1000:.2f}"))
    if queued := call.waited:
        headers.append(("x-llm-queue-ms", f"{queued * 1000:.2f}"))
    if call.cache_status is not None:
        headers.append(("x-llm-cache", call.cache_status))
    return tuple(headers)


def _strange(call: Call) -> ProviderProtocolError:
    name = call.answered_by
    return ProviderProtocolError(f"'{name}' answered with something that was not asked for.", provider=name)
