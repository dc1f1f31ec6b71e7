"""What the platform asks of its parts. Small protocols; a part may satisfy several.

`manager.providing(ChatProvider)` finds the serving integrations that satisfy one (only method names are checked).
A provider method is a coroutine that returns a stream: it returns once the upstream has accepted the request,
and raises a PlatformError (never a library's own) while it has not. Cancelling it, or closing the stream, closes
the upstream at once.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol, runtime_checkable

from app.domain.calls import EndedCall
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import FoundModel, ModelInfo, PullProgress, Resident
from app.domain.rerank import RerankRequest
from app.domain.responses import StoredResponse


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
class TokenCounter(ModelSource, Protocol):
    """Can tell how many tokens a chat request would be to one of its models, without running it."""

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int: ...


@runtime_checkable
class NearTokenCounter(TokenCounter, Protocol):
    """One that counts within milliseconds, on a server of one's own, and without a place that an answer needs."""

    @property
    def counts_nearby(self) -> Literal[True]: ...


@runtime_checkable
class CompletionProvider(ModelSource, Protocol):
    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream: ...


@runtime_checkable
class EmbeddingProvider(ModelSource, Protocol):
    """The stream holds one EmbeddingResult, or one whole Opaque."""

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream: ...


@runtime_checkable
class Reranker(ModelSource, Protocol):
    """The stream holds one whole Opaque: all who rank speak one format."""

    async def rerank(self, exchange: Exchange[RerankRequest]) -> EventStream: ...


@runtime_checkable
class ModelStore(ModelSource, Protocol):
    """Can fetch and drop models. Names are the provider's own. Unknown names raise ModelNotFound."""

    def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Closing it stops the download; a later one goes on where that was."""
        ...

    async def delete(self, model: str) -> None: ...


@runtime_checkable
class ModelFolder(ModelSource, Protocol):
    """Offers what is in a folder, into which others put files."""

    async def rescan(self) -> None:
        """Look now. What is new is offered once a second look finds it as it was."""
        ...


@runtime_checkable
class NameChecker(ModelStore, Protocol):
    """A store that knows at once what can be no name of a model."""

    def check_name(self, model: str) -> None:
        """Raises InvalidRequest."""
        ...


@runtime_checkable
class ModelFinder(Protocol):
    """Knows of models that may be pulled."""

    @property
    def name(self) -> str: ...

    async def search_models(
        self, query: str, limit: int = 20, filters: Mapping[str, str] | None = None
    ) -> Sequence[FoundModel]:
        """The most used first. Which `filters` there are is each one's own; others raise InvalidRequest."""
        ...


@runtime_checkable
class ModelLoader(ModelSource, Protocol):
    """Can bring models into memory and let them go."""

    async def load(self, model: str) -> None: ...

    async def unload(self, model: str) -> None: ...


@runtime_checkable
class CallSink(Protocol):
    """Is told of every call once it is over, refused and cancelled ones too. For metrics, traces, a log."""

    def call_ended(self, call: EndedCall) -> None:
        """In the event loop, between one caller's answer and the next: it takes microseconds and waits for
        nothing. What it raises is logged and hurts nobody else.
        """
        ...


@runtime_checkable
class Exposition(Protocol):
    """Can show the platform's metrics to a Prometheus that comes for them."""

    async def exposition(self, accept: str) -> tuple[str, bytes]:
        """The content type and the text, of all processes of the platform together. `accept`: as it was asked."""
        ...


@runtime_checkable
class ModelKeeper(ModelSource, Protocol):
    """Knows what is in memory. A snapshot: no I/O, no waiting."""

    def residents(self) -> Sequence[Resident]: ...


@runtime_checkable
class ModelPinner(ModelKeeper, Protocol):
    """Can keep a model in memory, whoever else wants the room. Unknown names raise ModelNotFound."""

    async def pin(self, model: str) -> None:
        """Loads it, too."""
        ...

    async def unpin(self, model: str) -> None: ...


@runtime_checkable
class ModelRemover(ModelSource, Protocol):
    """Can delete models from where they are kept. Unknown names raise ModelNotFound."""

    async def delete(self, model: str) -> None: ...


@runtime_checkable
class ResponseStore(Protocol):
    """Keeps responses for their owners, so that a conversation can go on from one. Nobody sees another's.

    Every method raises UpstreamError when the store does not answer.
    """

    async def put_response(self, response: StoredResponse) -> None:
        """Replaces an earlier one of the same id and owner."""
        ...

    async def get_response(self, id: str, principal: str) -> StoredResponse | None:
        """None where `principal` has none of that id."""
        ...

    async def response_history(self, id: str, principal: str) -> Sequence[StoredResponse]:
        """The response and those that it continues, oldest first; empty where nobody has one of that id.

        The first may continue one that is not kept here. Raises NotFound when the response is another's.
        """
        ...

    async def delete_response(self, id: str, principal: str) -> bool:
        """Whether there was one."""
        ...


@runtime_checkable
class SqlDatabase(Protocol):
    """The platform's relational database; its tables are there and up to date before anybody is let in.

    Both give SQLAlchemy's AsyncConnection within a transaction: Any here, for the domain knows no library. The
    block has a time limit, which covers everything that is awaited in it. Raises UpstreamError when the database
    does not answer; what the block itself raises as a PlatformError passes through.
    """

    def reading(self) -> AbstractAsyncContextManager[Any]: ...

    def writing(self) -> AbstractAsyncContextManager[Any]:
        """Committed at the end of the block, undone when it raises."""
        ...


@runtime_checkable
class Cache(Protocol):
    """Keeps bytes for `ttl` seconds, and shares them among the processes of a platform. It may lose any of them.

    Every method answers within a moment, or raises UpstreamError: whoever asks goes on without it.
    """

    async def get_cached(self, key: str) -> bytes | None: ...

    async def put_cached(self, key: str, value: bytes, ttl: float) -> None: ...

    async def delete_cached(self, key: str) -> None: ...


@runtime_checkable
class ClaimStore(Protocol):
    """Keeps under a key what one process puts there first, for so many seconds, and shares it with all others. Of
    several who claim a key at the same time one gets it.

    Every method raises UpstreamError when the store does not answer: what was asked for may be done all the same.
    """

    async def claim(self, key: str, mark: bytes, seconds: float) -> bytes | None:
        """Put `mark` there if there is nothing, and return None; else return what is there."""
        ...

    async def exchange(self, key: str, mark: bytes, value: bytes | None, seconds: float = 0.0) -> bool:
        """Put `value` in the place of `mark`, for so many seconds from now; None clears it. False where `mark` is
        not there.
        """
        ...


@runtime_checkable
class ScriptRunner(Protocol):
    """Runs a Lua script where the platform's processes keep what they count together: all of it or nothing, in one
    round trip. The script sees KEYS and ARGV as Redis has it; it returns integers, bytes, and lists of them.

    Answers within a moment, or raises UpstreamError: whoever asks goes on without it.
    """

    async def run_script(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | bytes | float]
    ) -> Any: ...


SpendScope = Literal["key", "team", "platform"]
SpendWindow = Literal["day", "month", "total"]


class Spending(Protocol):
    """What was spent, as far as this process knows: its own calls at once, those of others within seconds."""

    def spent(self, scope: SpendScope, id: str, window: SpendWindow) -> int:
        """Billionths of a US dollar. `id`: of the key or of the team; "" for the platform. Days and months are
        those of UTC. Costs no question and no waiting.
        """
        ...

    def spenders(self, scope: SpendScope) -> Iterable[str]:
        """The ids of those that have spent something."""
        ...

    @property
    def version(self) -> object:
        """Changes with what `spent` tells, but for what listeners hear of."""
        ...

    def listen(self, listener: Callable[[str, int], object]) -> None:
        """It is told of every call of a key, and its cost, as it is recorded."""
        ...

    @property
    def known(self) -> bool:
        """Whether the database has told what was spent before the start."""
        ...
