"""Ollama's management endpoints as typed calls, and the way to an answer that streams.

Replies are decoded into what the platform needs of them; fields that an older or newer server lacks have defaults.
https://docs.ollama.com/api
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import msgspec

from app.core.http import ErrorDecoder, InboundResponse, OutboundRequest, open_good
from app.core.http.upstream import Headers
from app.domain.errors import ProviderProtocolError, UpstreamTimeout
from app.integrations.kit.upstream import Upstream
from app.integrations.model_platforms.ollama import errors
from app.wire.ndjson import LineSplitter

T = TypeVar("T")

_JSON = (("content-type", "application/json"),)


class Details(msgspec.Struct, frozen=True):
    format: str = ""
    family: str = ""
    parameter_size: str = ""
    quantization_level: str = ""


class Installed(msgspec.Struct, frozen=True):
    """A model as /api/tags lists it. `remote_host` is set where the model runs elsewhere (Ollama's cloud)."""

    name: str
    digest: str = ""
    size: int = 0
    modified_at: str = ""
    remote_host: str = ""
    details: Details | None = None


class Shown(msgspec.Struct, frozen=True):
    """A model as /api/show describes it. `parameters`: the Modelfile's, one `name value` a line."""

    model_info: dict[str, object] | None = None
    capabilities: list[str] | None = None
    parameters: str = ""


class Running(msgspec.Struct, frozen=True):
    """A model in memory. `expires_at`: RFC 3339. `context_length`: tokens that it was loaded with."""

    name: str
    size: int = 0
    size_vram: int = 0
    expires_at: str = ""
    context_length: int = 0


class Progress(msgspec.Struct, frozen=True):
    """A line of /api/pull. A layer is known by its `digest`; the counts are its bytes."""

    status: str = ""
    digest: str = ""
    total: int | None = None
    completed: int | None = None
    error: str = ""


class _Version(msgspec.Struct):
    version: str


class _Tags(msgspec.Struct):
    models: list[Installed] | None


class _Processes(msgspec.Struct):
    models: list[Running] | None


class OllamaClient:
    """Calls one server. Raises PlatformError only; `timeout` (seconds) bounds each call that is answered whole."""

    def __init__(self, upstream: Upstream, *, timeout: float) -> None:
        self._upstream = upstream
        self._provider = upstream.name
        self._timeout = timeout

    async def version(self) -> str:
        return (await self._ask("GET", "/api/version", _Version)).version

    async def tags(self) -> list[Installed]:
        return (await self._ask("GET", "/api/tags", _Tags)).models or []

    async def ps(self) -> list[Running]:
        return (await self._ask("GET", "/api/ps", _Processes)).models or []

    async def show(self, model: str) -> Shown:
        return await self._ask("POST", "/api/show", Shown, model=model)

    async def delete(self, model: str) -> None:
        await self._bounded("DELETE", "/api/delete", model=model)

    async def pull(self, model: str) -> AsyncGenerator[Progress, None]:
        """The lines of a download. Closing the generator stops it; Ollama keeps what it has for the next time."""
        body = msgspec.json.encode({"model": model, "stream": True})
        response = await self.open("/api/pull", body, model=model, first_byte_timeout=self._timeout)
        splitter = LineSplitter()
        async with aclosing(response), aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                for line in splitter.feed(chunk):
                    yield self._decode(line, Progress)
            for line in splitter.flush():
                yield self._decode(line, Progress)

    async def open(
        self, path: str, body: bytes, *, model: str, first_byte_timeout: float, trace: Headers = ()
    ) -> InboundResponse:
        """A response that says success, for the caller to read and close. Raises what any other status means."""
        request = OutboundRequest(
            method="POST",
            path=path,
            headers=(*_JSON, *trace),
            body=body,
            first_byte_timeout=first_byte_timeout,
        )
        return await self._upstream.ask(request, self._refusal(model), model=model)

    async def read(
        self, path: str, body: bytes, *, model: str, first_byte_timeout: float, trace: Headers = ()
    ) -> bytes:
        """The whole body of an answer that may take as long as loading a model does."""
        return await _whole(
            await self.open(path, body, model=model, first_byte_timeout=first_byte_timeout, trace=trace)
        )

    async def _ask(self, method: str, path: str, reply: type[T], model: str = "") -> T:
        return self._decode(await self._bounded(method, path, model=model), reply)

    async def _bounded(self, method: str, path: str, *, model: str) -> bytes:
        body = msgspec.json.encode({"model": model}) if model else None
        request = OutboundRequest(method=method, path=path, headers=_JSON if body else (), body=body)
        try:
            async with asyncio.timeout(self._timeout):
                return await _whole(await open_good(self._upstream, request, self._refusal(model)))
        except TimeoutError:
            raise UpstreamTimeout(
                f"'{self._provider}' gave no answer within {self._timeout:g} s.", provider=self._provider
            ) from None

    def _refusal(self, model: str) -> ErrorDecoder:
        return partial(errors.decode, provider=self._provider, model=model)

    def _decode(self, body: bytes, reply: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=reply)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ProviderProtocolError(
                f"'{self._provider}' does not answer as Ollama does.", provider=self._provider
            ) from None


async def _whole(response: InboundResponse) -> bytes:
    async with aclosing(response):
        return await response.read()
