"""What the platform asks of its parts. Small protocols; a part may satisfy several.

`manager.providing(ChatProvider)` finds the serving integrations that satisfy one (only method names are checked).
A provider method is a coroutine that returns a stream: it returns once the upstream has accepted the request,
and raises a PlatformError (never a library's own) while it has not. Cancelling it, or closing the stream, closes
the upstream at once.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, runtime_checkable

from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import ModelInfo, PullProgress


@runtime_checkable
class ModelSource(Protocol):
    """Knows models. `models()` is a snapshot: no I/O, no waiting. Publish ModelsChanged when it changes.

    `accepts_unlisted`: a name that `models()` lacks may be asked for all the same (a cloud adds models daily).
    """

    @property
    def name(self) -> str: ...

    @property
    def accepts_unlisted(self) -> bool: ...

    def models(self) -> Sequence[ModelInfo]: ...


@runtime_checkable
class ChatProvider(ModelSource, Protocol):
    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream: ...


@runtime_checkable
class CompletionProvider(ModelSource, Protocol):
    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream: ...


@runtime_checkable
class EmbeddingProvider(ModelSource, Protocol):
    """The stream holds one EmbeddingResult, or one whole Opaque."""

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream: ...


@runtime_checkable
class ModelStore(ModelSource, Protocol):
    """Can fetch and drop models. Names are the provider's own. Unknown names raise ModelNotFound."""

    def pull(self, model: str) -> AsyncIterator[PullProgress]: ...

    async def delete(self, model: str) -> None: ...


@runtime_checkable
class ModelLoader(ModelSource, Protocol):
    """Can bring models into memory and let them go."""

    async def load(self, model: str) -> None: ...

    async def unload(self, model: str) -> None: ...
