"""One running platform over real models, for the tests that only ask it: the demo model three times.

It is embedded in the platform, behind a real llama.cpp server over HTTP, and behind an Ollama. Tests that break
something start a platform of their own.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI

from tests.servers.ollama_engines import DemoEngine
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.openai_peer import OpenAIPeer
from tests.servers.platform_process import PlatformProcess, platform_process

KEY = "master-key"

CONFIGURATION = """
integrations:
  peer:
    kind: llamacpp
    settings: {{base_url: {peer.url}, api_key: {peer.api_key}}}
  embedder:
    kind: openai_compatible
    settings: {{base_url: {embedder.url}, api_key: {embedder.api_key}}}
  down:
    kind: openai_compatible
    settings: {{base_url: "http://127.0.0.1:9", models: [away], discover: false}}
  ollama:
    settings: {{base_url: {ollama}}}
models:
  smart: peer/platform-demo
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def platform(
    tmp_path_factory: pytest.TempPathFactory, openai_peer: OpenAIPeer, openai_embedding_peer: OpenAIPeer
) -> AsyncIterator[PlatformProcess]:
    folder = tmp_path_factory.mktemp("platform")
    models = (FakeModel("chat"), FakeModel("embed", ("embedding",)))
    async with OllamaFake(*models, engine=DemoEngine()) as ollama:
        configuration = CONFIGURATION.format(
            peer=openai_peer, embedder=openai_embedding_peer, ollama=ollama.base_url
        )
        (folder / "llm-platform.yaml").write_text(configuration)
        async with platform_process(folder, environment={"LLM_PLATFORM_API_KEY": KEY}) as platform:
            yield platform
            assert await platform.stop() == 0
            assert "defect" not in platform.log()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(platform: PlatformProcess) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{platform.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def plain_client(platform: PlatformProcess) -> AsyncIterator[OpenAI]:
    """To be used in a thread: the servers behind the platform live in this one."""
    with OpenAI(base_url=f"{platform.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client
