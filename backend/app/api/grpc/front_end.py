"""The gRPC server as an integration: it binds its port, serves, drains and stops."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.context import ApiContext
from app.api.grpc.door import HEALTH, Door
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import add_InferenceServicer_to_server
from app.api.grpc.generated.llm_platform.v1.metrics_pb2_grpc import add_MetricsServicer_to_server
from app.api.grpc.generated.llm_platform.v1.models_pb2_grpc import add_ModelsServicer_to_server
from app.api.grpc.health import INFERENCE, OTHERS, Health
from app.api.grpc.inference import Inference
from app.api.grpc.metrics import Metrics
from app.api.grpc.models import Models
from app.api.grpc.tls import Certificates
from app.core.integration_framework import BaseIntegration, IntegrationNotReady

SHUTDOWN_GRACE = 5.0
"""Seconds that calls under way get when the server stops without the whole platform, as on a reload."""


class GrpcSettings(BaseModel):
    """`host`, `port`, `shared_port` and `reflection` come from the platform's own settings unless set here.

    `shared_port`: several processes listen on the port. `certificate` and `private_key`: PEM files; with them the
    server speaks TLS. `message_bytes`: the largest request. `streams_per_connection`: calls that one connection
    may have at once, further ones wait at the client; `calls`: those of all, further ones are refused.
    `keep_alive_seconds`: the silence after which a connection is checked.
    """

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=50051, ge=0, le=65535)
    shared_port: bool = False
    reflection: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    message_bytes: int = Field(default=4 * 2**20, ge=1)
    streams_per_connection: int = Field(default=1000, ge=1)
    calls: int = Field(default=4000, ge=1)
    keep_alive_seconds: float = Field(default=30.0, ge=1.0)

    @model_validator(mode="after")
    def _fits(self) -> "GrpcSettings":
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if self.shared_port and self.port == 0:
            raise ValueError("several workers need a fixed port: set server.grpc_port")
        return self


class GrpcApi(BaseIntegration):
    settings_model = GrpcSettings
    settings: GrpcSettings
    exclusive = True

    _server: grpc.aio.Server | None = None
    _opening: asyncio.Task[None] | None = None
    port = 0

    @property
    def address(self) -> str:
        scheme = "grpcs" if self.settings.certificate else "grpc"
        return f"{scheme}://{_place(self.settings.host, self.port)}"

    async def initialize(self) -> None:
        """Raises IntegrationNotReady when the port is taken, IntegrationConfigError for a bad certificate."""
        context, settings = self.context.resource(ApiContext), self.settings
        await _check_free(settings.host, settings.port, settings.shared_port)
        self._door = Door(context, self.name, settings.calls)
        self._health = Health(context)
        self._server = server = grpc.aio.server(interceptors=[self._door], options=_options(settings))
        add_InferenceServicer_to_server(Inference(context, self.name), server)
        add_ModelsServicer_to_server(Models(context), server)
        add_MetricsServicer_to_server(Metrics(context), server)
        add_HealthServicer_to_server(self._health, server)
        if settings.reflection:
            names = [INFERENCE, *OTHERS[1:], HEALTH, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, server)
        self.port = await self._bind(server)
        self._opening = asyncio.create_task(_open(server, context))

    async def health_check(self) -> None:
        return None

    @property
    def busy(self) -> bool:
        return self._server is not None and self._door.busy

    async def drain(self, seconds: float) -> None:
        """Not serving from now on; returns when the calls under way have ended, after `seconds` at most."""
        if self._server is None:
            return
        if self._opening is not None:
            self._opening.cancel()
        self._health.close()
        self._door.close()
        await self._server.stop(seconds)

    async def shutdown(self) -> None:
        await self.drain(SHUTDOWN_GRACE)

    async def _bind(self, server: grpc.aio.Server) -> int:
        settings = self.settings
        place = _place(settings.host, settings.port)
        try:
            if settings.certificate is None or settings.private_key is None:
                return server.add_insecure_port(place)
            certificates = Certificates(settings.certificate, settings.private_key)
            credentials = await asyncio.to_thread(certificates.credentials)
            return server.add_secure_port(place, credentials)
        except RuntimeError:
            raise IntegrationNotReady(f"can't listen on {place}") from None


async def _open(server: grpc.aio.Server, context: ApiContext) -> None:
    """Take calls as soon as the platform is ready: its models may not all be known before.

    The port is bound by then, so whoever connects early waits.
    """
    changed = asyncio.Event()
    forget = context.router.catalog.watch(changed.set)
    try:
        while not context.ready():
            await changed.wait()
            changed.clear()
    finally:
        forget()
    await server.start()


def _options(settings: GrpcSettings) -> list[tuple[str, Any]]:
    """https://grpc.github.io/grpc/core/group__grpc__arg__keys.html"""
    silence = int(settings.keep_alive_seconds * 1000)
    return [
        ("grpc.so_reuseport", int(settings.shared_port)),
        ("grpc.max_receive_message_length", settings.message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", settings.streams_per_connection),
        ("grpc.keepalive_time_ms", silence),
        ("grpc.keepalive_timeout_ms", min(silence, 10_000)),
        ("grpc.http2.ping_timeout_ms", min(silence, 10_000)),  # the one that counts where both are known
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 2),
    ]


async def _check_free(host: str, port: int, shared: bool) -> None:
    """gRPC itself tells no reason. Raises IntegrationNotReady with one."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind(address)
    except OSError as error:
        raise IntegrationNotReady(
            f"can't listen on {_place(host, port)} ({error.strerror}): choose another port with --grpc-port"
        ) from None


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
