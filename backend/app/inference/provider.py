"""The last step: hand the request to the target's integration."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.domain.errors import UnsupportedFeature
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.tracing import Trace, new_span
from app.inference.call import Attempt, Operation

# The method of the port that serves an operation (ChatProvider, CompletionProvider, EmbeddingProvider, Reranker).
# A look-up by name, because isinstance against a runtime protocol costs more than the rest of this stage.
_METHODS: dict[Operation, str] = {
    "chat": "chat",
    "text_completion": "complete",
    "embeddings": "embed",
    "rerank": "rerank",
}


async def send(attempt: Attempt) -> EventStream:
    """Raises UnsupportedFeature when the integration lacks the operation, else what the provider raises."""
    call, source = attempt.call, attempt.target.source
    method: Callable[[Exchange[Any]], Awaitable[EventStream]] | None = getattr(
        source, _METHODS[call.operation], None
    )
    if method is None:
        raise UnsupportedFeature(
            f"The model '{call.model}' is served by '{source.name}', which offers no {call.operation}.",
            param="model",
            provider=source.name,
        )
    exchange: Exchange[Any] = Exchange(
        model=attempt.target.model,
        decode=lambda: call.request,
        encoded=call.encoded,
        stream=call.stream,
        request_id=call.id,
        hops=call.hops,
        trace=() if call.trace is None else _onward(attempt, call.trace),
    )
    attempt.dropped = exchange.dropped
    return await method(exchange)


def _onward(attempt: Attempt, trace: Trace) -> tuple[tuple[str, str], ...]:
    if trace.span:
        attempt.span = new_span()
    return trace.headers(attempt.span)
