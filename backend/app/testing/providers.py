"""A provider whose answers are written down beforehand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from app.domain.events import EventStream, StreamEvent
from app.domain.exchange import Exchange
from app.domain.models import ModelInfo

Step = StreamEvent | BaseException | asyncio.Event


class ScriptedProvider:
    """Satisfies ChatProvider, CompletionProvider, EmbeddingProvider and Reranker.

    A script is a list of steps: an event is yielded, an exception is raised, an asyncio.Event is waited for. An
    exception as the very first step refuses the request before the stream begins. One script is used up a
    request, in order; the last one serves all that follow. `exchanges` and `closed` tell what happened.
    """

    def __init__(
        self, *scripts: Sequence[Step], name: str = "scripted", models: Sequence[str] = ("model",)
    ) -> None:
        self.name = name
        self.accepts_unlisted = False
        self.exchanges: list[Exchange[Any]] = []
        self.closed = 0
        self._scripts = list(scripts)
        self._models = tuple(ModelInfo(id=model, provider=name) for model in models)

    def models(self) -> Sequence[ModelInfo]:
        return self._models

    async def chat(self, exchange: Exchange[Any]) -> EventStream:
        self.exchanges.append(exchange)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if script and isinstance(script[0], BaseException):
            raise script[0]
        return _Played(self, script)

    complete = chat
    embed = chat
    rerank = chat


class _Played:
    """An object rather than a generator: closing one that was never asked still counts."""

    def __init__(self, provider: ScriptedProvider, script: Sequence[Step]) -> None:
        self._provider = provider
        self._steps = iter(script)
        self._open = True

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        for step in self._steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, BaseException):
                raise step
            else:
                return step
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._provider.closed += 1
