"""How long is the prompt? Known before anybody is asked, so that the request goes where it has room.

An ordinary request costs nothing here: a text has no more tokens than bytes, so a body that is shorter than every
context of its model fits. What is longer is estimated. Where the estimate leaves it open, and the model runs on a
server of one's own that can count, it is counted; a cloud refuses a prompt as quickly as it would count it. What
is open after that is sent: the upstream's own refusal leads on to a larger context as well.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import ModelNotFound, PlatformError
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.ports import NearTokenCounter
from app.domain.rerank import RerankRequest
from app.domain.token_estimate import BYTES_PER_TOKEN, LONG_ESTIMATE, estimate_tokens, fewest_tokens
from app.inference.call import Call, PromptSize, Target
from app.inference.catalog import LiveCatalog
from app.inference.entry import ModelEntry

COUNT_SECONDS = 1.0
"""The longest that a request waits to be counted."""

SHORT_ESTIMATE = 2
"""An estimate may be that many times too small: numbers, code, scripts that a model's tokenizer hardly knows."""

logger = logging.getLogger(__name__)


class Guard:
    def __init__(self, catalog: LiveCatalog) -> None:
        self._catalog = catalog

    def __call__(self, call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> Awaitable[EventStream]:
        try:
            entry = self._catalog.current.entry(call.model)
        except ModelNotFound:
            return proceed(call)  # where it is said
        window = self._narrowest(entry)
        if window is None or (call.encoded is not None and len(call.encoded.body) <= window):
            return proceed(call)
        return _measured(call, entry, proceed)

    def _narrowest(self, entry: ModelEntry) -> int | None:
        """Of the model's own targets, and of those that it may fall back to."""
        if not entry.policy.fallbacks:
            return entry.narrowest
        windows = [entry.narrowest]
        for name in entry.policy.fallbacks:
            with suppress(ModelNotFound):
                windows.append(self._catalog.current.entry(name).narrowest)
        return min((window for window in windows if window is not None), default=None)


async def _measured(
    call: Call, entry: ModelEntry, proceed: Callable[[Call], Awaitable[EventStream]]
) -> EventStream:
    try:
        size = _size(call.request)
    except PlatformError:
        return await proceed(call)  # unreadable here; whoever is asked will say so
    open_for = [target for target in entry.targets if target.serving and _is_open(target, size)]
    call.prompt = msgspec.structs.replace(size, counted=await _counted(call, open_for)) if open_for else size
    return await proceed(call)


def _is_open(target: Target, size: PromptSize) -> bool:
    """Whether the estimate does not tell if it fits."""
    window = target.context_window
    return window is not None and size.fewest <= window < size.about * SHORT_ESTIMATE


async def _counted(call: Call, targets: list[Target]) -> dict[str, int]:
    """Model → tokens, for the models that could be asked in time."""
    if call.operation != "chat":
        return {}
    asked = {target.model: target for target in targets if isinstance(target.source, NearTokenCounter)}
    counts = await asyncio.gather(*(_count(call, target) for target in asked.values()))
    return {model: count for model, count in zip(asked, counts, strict=True) if count is not None}


async def _count(call: Call, target: Target) -> int | None:
    assert isinstance(target.source, NearTokenCounter)
    exchange: Exchange[ChatRequest] = Exchange(
        model=target.model, decode=lambda: call.request, encoded=call.encoded, request_id=call.id
    )
    try:
        async with asyncio.timeout(COUNT_SECONDS):
            return await target.source.count_tokens(exchange)
    except Exception as error:  # whatever is wrong with a count, the request can go on without it
        logger.debug("call %s: '%s' did not count: %s", call.id, target.integration, error)
        return None


def _size(request: ChatRequest | CompletionRequest | EmbeddingRequest | RerankRequest) -> PromptSize:
    if isinstance(request, ChatRequest):
        return PromptSize(estimate_tokens(request), fewest_tokens(request))
    texts = request.prompts if isinstance(request, CompletionRequest) else request.inputs
    return max(map(_text_size, texts), key=lambda size: size.about, default=PromptSize(0, 0))


def _text_size(text: str | tuple[int, ...]) -> PromptSize:
    """Each of several texts is a prompt of its own. Token ids are tokens already."""
    if not isinstance(text, str):
        return PromptSize(len(text), len(text))
    length = len(text.encode())
    return PromptSize(length // BYTES_PER_TOKEN, length // BYTES_PER_TOKEN // LONG_ESTIMATE)
