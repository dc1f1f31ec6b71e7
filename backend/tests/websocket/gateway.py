"""The WebSocket front-end over scripted providers, on a real socket, and a client that speaks in frames."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from app.api.context import ApiContext
from app.api.identity import Authenticator
from app.api.policy import ApiPolicy
from app.api.rest.app import create_rest_app
from app.api.websocket.app import websocket_endpoints
from app.api.websocket.front_end import WebSocketApi
from app.api.websocket.server import uvicorn_options
from app.core.integration_framework import IntegrationConfig, IntegrationManager, IntegrationType, Registry
from app.domain.events import Finished, Started, TextDelta, UsageReported
from app.domain.usage import Usage
from app.inference.catalog import LiveCatalog, Source
from app.inference.router import Router
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.deadline import keep_time
from app.inference.tally import Tally
from app.testing.providers import ScriptedProvider
from tests.servers.routing import ONE_TRY
from tests.servers.serving import serving

START = Started(id="chatcmpl-1", model="model", created=1)
ANSWER = (
    START,
    TextDelta(text="Hel"),
    TextDelta(text="lo"),
    Finished(reason="stop"),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=2)),
)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
HI = {"message": "hi", "model": "model"}


class Gateway(msgspec.Struct):
    """`policy` may be exchanged while it runs; `serving` tells the catalogue whether the provider is up."""

    port: int
    records: list[CallRecord]
    provider: ScriptedProvider
    manager: IntegrationManager
    catalog: LiveCatalog
    policy: ApiPolicy
    serving: bool = True

    @property
    def front_end(self) -> WebSocketApi:
        found = self.manager.get_integration("websocket")
        assert isinstance(found, WebSocketApi)
        return found


def policy(key: str | None = None, origins: tuple[str, ...] = ()) -> ApiPolicy:
    return ApiPolicy(
        authenticator=Authenticator(key), body_bytes=1 << 20, json_depth=64, comment_seconds=15.0, origins=origins
    )


@asynccontextmanager
async def gateway(
    provider: ScriptedProvider | None = None,
    *,
    key: str | None = None,
    origins: tuple[str, ...] = (),
    patience: float = 5.0,
    frame_bytes: int = 2**20,
    **server: Any,
) -> AsyncIterator[Gateway]:
    """`server`: arguments of `serving`."""
    provider = provider or ScriptedProvider(ANSWER)
    records: list[CallRecord] = []
    tally = Tally()
    catalog = LiveCatalog(lambda: [Source(source=provider, serving=platform.serving)])
    manager = IntegrationManager(
        Registry({"websocket": WebSocketApi}),
        [IntegrationConfig(name="websocket", type=IntegrationType.API_COMPATIBILITY)],
    )
    platform = Gateway(0, records, provider, manager, catalog, policy(key, origins))
    catalog.rebuild(ONE_TRY)
    context = ApiContext(
        router=Router(
            catalog,
            call_stages=[Account([records.append, tally.ended], [tally.began])],
            attempt_stages=[keep_time],
        ),
        manager=manager,
        policy=lambda: platform.policy,
        ready=lambda: True,
        reload=_reload,
        tally=tally,
    )
    app = create_rest_app(context, websocket_endpoints(context, patience=patience, metrics_seconds=0.02))
    await manager.start()
    try:
        async with serving(app, **uvicorn_options(frame_bytes), **server) as platform.port:
            yield platform
    finally:
        await manager.stop()


async def _reload() -> Mapping[str, object]:
    return {}


class Client:
    """One open socket. Frames go and come as dictionaries."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **fields: object) -> None:
        await self.connection.send(json.dumps(fields))

    async def frame(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            found: dict[str, Any] = json.loads(await self.connection.recv())
        return found

    async def frames(self, id: object = None) -> list[dict[str, Any]]:
        """All until a call ends, or the call `id`, with its `done` or `error`."""
        found = [await self.frame()]
        while found[-1]["type"] not in {"done", "error"} or (id is not None and found[-1]["id"] != id):
            found.append(await self.frame())
        return found

    async def ask(self, **fields: object) -> list[dict[str, Any]]:
        await self.send(**{**HI, **fields})
        return await self.frames(fields.get("id"))

    async def closed(self) -> int:
        """The code that the server closes with."""
        async with asyncio.timeout(5):
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code


@asynccontextmanager
async def client(
    platform: Gateway, path: str = "/ws/chat", headers: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[Client]:
    url = f"ws://127.0.0.1:{platform.port}{path}"
    async with connect(url, additional_headers=headers, proxy=None, **options) as connection:
        yield Client(connection)


async def refused(
    platform: Gateway, path: str = "/ws/chat", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and error of a handshake that must not succeed."""
    try:
        async with client(platform, path, headers):
            raise AssertionError("the handshake succeeded")
    except InvalidStatus as error:
        return error.response.status_code, json.loads(error.response.body or b"{}").get("error", {})


def text(frames: list[dict[str, Any]]) -> str:
    return "".join(frame["message"] for frame in frames if frame["type"] == "delta")


async def eventually(condition: Callable[[], object], seconds: float = 0.5) -> None:
    """Wait until `condition()` is true; fail after `seconds`, which is a promise of the subject, not a guess."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is another's state, not an event
            await asyncio.sleep(0.001)
