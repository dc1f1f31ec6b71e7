"""The REST front-end over scripted providers, on a real socket: what most of the tests here start from."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from starlette.types import ASGIApp

from app.api.context import ApiContext
from app.api.identity import Authenticator
from app.api.policy import ApiPolicy
from app.api.rest.app import create_rest_app
from app.api.rest.front_end import AnthropicApi, OpenAIApi
from app.core.integration_framework import IntegrationConfig, IntegrationManager, IntegrationType, Registry
from app.core.siblings import Siblings
from app.domain.events import Finished, Started, TextDelta, UsageReported
from app.domain.limits import Admission
from app.domain.usage import Usage
from app.inference.caching.answers import Answers
from app.inference.caching.memory import MemoryCache
from app.inference.call import Call, Stage
from app.inference.catalog import LiveCatalog, Source
from app.inference.explained import Explained, Explainer
from app.inference.router import Router
from app.inference.routes import Routing
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.cache import AnswerCache
from app.inference.stages.deadline import keep_time
from app.inference.stages.known import answer_known
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
CHAT = {"model": "model", "messages": [{"role": "user", "content": "hi"}]}


class Gateway(msgspec.Struct):
    app: ASGIApp
    port: int
    records: list[CallRecord]
    provider: ScriptedProvider
    catalog: LiveCatalog
    calls: list[Call]


@asynccontextmanager
async def gateway(
    provider: ScriptedProvider | None = None,
    *,
    key: str | None = None,
    front_ends: Sequence[str] = ("openai_api", "anthropic_api"),
    stages: Sequence[Stage[Call]] = (),
    routing: Routing = ONE_TRY,
    admission: Admission | None = None,
    **policy: object,
) -> AsyncIterator[Gateway]:
    """`stages` of a call come after the account stage. `policy` overrides fields of ApiPolicy."""
    provider = provider or ScriptedProvider(ANSWER)
    records: list[CallRecord] = []
    calls: list[Call] = []
    catalog = LiveCatalog(lambda: [Source(source=provider, serving=True)])
    catalog.rebuild(routing)
    manager = IntegrationManager(
        Registry({"openai_api": OpenAIApi, "anthropic_api": AnthropicApi}),
        [IntegrationConfig(name=name, type=IntegrationType.API_COMPATIBILITY) for name in front_ends],
    )
    settings: dict[str, object] = {
        "authenticator": Authenticator(key),
        "body_bytes": 1 << 20,
        "json_depth": 64,
        "comment_seconds": 15.0,
        **policy,
    }
    current = ApiPolicy(**settings)  # type: ignore[arg-type]
    explained = Explained()
    account = Account([records.append, explained], [calls.append])
    cache = AnswerCache(catalog, Answers(MemoryCache(1 << 20), 1 << 20))
    router = Router(catalog, call_stages=[account, *stages, answer_known, cache], attempt_stages=[keep_time])
    context = ApiContext(
        router=router,
        manager=manager,
        policy=lambda: current,
        ready=lambda: True,
        reload=_reload,
        explain=Explainer(explained, Siblings()),
        admission=admission,
    )
    app = create_rest_app(context)
    await manager.start()
    try:
        async with serving(app) as port:
            yield Gateway(app, port, records, provider, catalog, calls)
    finally:
        await manager.stop()


async def _reload() -> Mapping[str, object]:
    return {"settings": {}}


async def eventually(condition: Callable[[], object], seconds: float = 0.5) -> None:
    """Wait until `condition()` is true; fail after `seconds`, which is a promise of the subject, not a guess."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is another's state, not an event
            await asyncio.sleep(0)
