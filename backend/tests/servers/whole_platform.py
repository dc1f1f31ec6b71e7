"""The whole platform in the test's own process: every front-end, a database, an echo for a model.

Keys are issued as an administrator would, and asked for by the name of their holder.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from app.accounts.audit.schemas import Actor
from app.accounts.keys.schemas import NewKey
from app.api.grpc.front_end import GrpcApi
from app.api.identity import OPERATOR
from app.api.websocket.server import uvicorn_options
from app.bootstrap import Platform
from app.settings import load_settings
from tests.servers.asking import becomes
from tests.servers.echo_peer import EchoPeer, echo_peer
from tests.servers.serving import serving

MASTER = "sk-test-master"


class Whole(msgspec.Struct, eq=False):
    """`keys`: the text of each holder's key."""

    platform: Platform
    port: int
    peer: EchoPeer
    keys: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serves(self, name: str) -> None:
        """Returns once that integration does."""
        manager = self.platform.manager

        async def there() -> bool:
            return manager.serves(name)

        await becomes(there, 20.0)

    @property
    def grpc_target(self) -> str:
        front_end = self.platform.manager.get_integration("grpc")
        assert isinstance(front_end, GrpcApi)
        return f"127.0.0.1:{front_end.port}"

    async def issue(self, holder: str, **fields: Any) -> str:
        service = await self.platform.accounts.keys()
        actor = Actor(principal=OPERATOR, request_id="test", front_end="test")
        key, self.keys[holder] = await service.create(actor, NewKey(name=holder, owner=holder, **fields))
        return key.id

    async def revoke(self, id: str) -> None:
        service = await self.platform.accounts.keys()
        await service.revoke(Actor(principal=OPERATOR, request_id="test", front_end="test"), id)

    def header(self, holder: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[holder]}"}


@asynccontextmanager
async def whole_platform(
    folder: Path, *, key: str | None = MASTER, database: Mapping[str, Any] | None = None, **sections: Any
) -> AsyncIterator[Whole]:
    """`database`: settings of that integration. `sections`: further sections of the configuration."""
    async with echo_peer() as peer:
        configuration = {
            "data_dir": str(folder),
            "integrations": {
                "peer": {"kind": "openai_compatible", "settings": {"base_url": peer.url}},
                "database": {"settings": dict(database or {})},
                "custom_models": {"enabled": False},
                "huggingface_hub": {"enabled": False},
                **sections.pop("integrations", {}),
            },
            **sections,
        }
        file = folder / "whole.yaml"
        file.write_text(json.dumps(configuration))
        environment = {"LLM_PLATFORM_API_KEY": key} if key else {}
        platform = Platform(lambda: load_settings(file, environment, {"server.grpc_port": 0}))
        await platform.start()
        try:
            await becomes(lambda: _up(platform), 20.0)
            async with serving(platform.app, **uvicorn_options(1 << 20)) as port:
                yield Whole(platform, port, peer)
        finally:
            await platform.stop()


async def _up(platform: Platform) -> bool:
    return all(
        platform.manager.serves(name)
        for name in ("openai_api", "anthropic_api", "graphql", "grpc", "websocket", "peer")
    )
