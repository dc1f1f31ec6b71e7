"""The hot path costs no more than it did: counted in Python's instructions, which no busy machine changes."""

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest
from bench import answers
from bench.gateways import clean_environment
from bench.opcodes import Count
from bench.processes import ROOT, Address
from bench.scenarios import MESSAGES, Scenario, chat_body

from app.api.rest.anthropic.dialect import MESSAGES as ANTHROPIC
from app.api.rest.openai.dialects import CHAT as OPENAI
from app.domain.exchange import Exchange
from app.domain.models import ModelInfo
from app.integrations.kit.openai_compatible import OpenAICompatibleClient
from app.integrations.model_platforms.anthropic.client import MessagesClient
from app.integrations.model_platforms.gemini.client import GeminiClient
from app.integrations.model_platforms.ollama.client import OllamaClient
from app.integrations.model_platforms.ollama.discovery import KnownModel
from app.integrations.model_platforms.ollama.inference import Inference
from app.integrations.model_platforms.ollama.settings import OllamaSettings
from app.wire.anthropic_messages.native import Profile


def cost(*options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.opcodes", "--json", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=120, check=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("options", "most"), [((), 5_850), (("--everything",), 8_300), (("--chunks", "50"), 760)], ids=str
)
def test_the_hot_path_is_as_short_as_it_was(options: tuple[str, ...], most: int) -> None:
    """Whoever makes it longer raises a ceiling here, and says in the commit what that is worth. `python -m
    bench.opcodes` tells which functions it goes to. A chunk that comes with the next one costs less, so its
    ceiling is that of one alone.
    """
    found = cost(*options)
    assert 0.2 * most < found["opcodes"] <= most
    assert found["garbage"] == 0, "something that a request makes is in a circle"


class Response:
    """A good answer whose pieces are all there."""

    status = 200

    def __init__(self, content_type: bytes, pieces: list[bytes]) -> None:
        self.headers: Mapping[str, str] = {"content-type": content_type.decode()}
        self._pieces = pieces

    async def read(self) -> bytes:
        return b"".join(self._pieces)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        return


class Upstream:
    """Gives to whoever asks what the bench's upstream says there, of a stream `chunks` pieces."""

    name = "bench"

    def __init__(self, chunks: int) -> None:
        self._chunks = chunks

    async def ask(self, request: Any, *_: object, **__: object) -> Response:
        said = answers.POSTS.get(request.path.lower().encode(), answers.OPENAI)
        if not self._chunks:
            head, _, body = said.whole.partition(b"\r\n\r\n")
            return Response(content_type(head), [body])
        head, _, begin = said.begin.partition(b"\r\n\r\n")
        pieces = [begin, *[said.piece] * self._chunks, said.last, said.figures]
        return Response(content_type(head), [piece.split(b"\r\n", 1)[1][:-2] for piece in pieces if piece])


def content_type(head: bytes) -> bytes:
    return head.partition(b"content-type: ")[2].partition(b"\r\n")[0]


class Library:
    """Knows the one model."""

    async def find(self, name: str) -> KnownModel:
        return KnownModel(ModelInfo(id=name, provider="bench", capabilities=frozenset()), 8192)

    def is_pinned(self, name: str) -> bool:
        return False


def anthropic(upstream: Any) -> Any:
    return MessagesClient(upstream, lambda _: Profile(limit=8192), beta="", patience=1.0)


def gemini(upstream: Any) -> Any:
    return GeminiClient(upstream, "/v1beta", lambda _: None)


def ollama(upstream: Any) -> Any:
    library: Any = Library()
    client = OllamaClient(upstream, timeout=1.0)
    return Inference(client, library, provider="bench", settings=OllamaSettings())


async def translated(dialect: Any, client: Any, chunks: int) -> int:
    """The opcodes from the caller's bytes to the upstream's, and from its answer to the caller's."""
    stream = chunks > 0
    scenario = Scenario(name="one", connections=1, chunks=chunks)
    path = MESSAGES if dialect is ANTHROPIC else Address(port=0).path
    body = chat_body(scenario, Address(port=0, path=path))
    (head, _), provider, count = dialect.look(body), client(Upstream(chunks)), Count()

    async def once() -> bytes:
        exchange = Exchange(model="bench", decode=partial(dialect.decode, body), stream=stream, request_id="r")
        async with aclosing(await provider.chat(exchange)) as events:
            if not stream:
                return await dialect.fold(head, events)
            encoder = dialect.encoder(head)
            return b"".join([encoder.encode(event) async for event in events]) + encoder.end()

    assert answers.WORD.strip().encode() in await once()
    count.install()
    try:
        count.on = True
        await once()
    finally:
        count.on = False
        sys.settrace(None)
    return sum(count.opcodes.values())


@pytest.mark.parametrize(
    ("dialect", "client", "most", "chunk"),
    [
        (OPENAI, anthropic, 3_800, 280),
        (OPENAI, gemini, 2_500, 290),
        (OPENAI, ollama, 3_000, 260),
        (ANTHROPIC, OpenAICompatibleClient, 4_600, 305),
    ],
    ids=["openai-anthropic", "openai-gemini", "openai-ollama", "anthropic-openai"],
)
async def test_translating_costs_no_more_than_it_did(dialect: Any, client: Any, most: int, chunk: int) -> None:
    """A whole request by one provider's client, and a `chunk` more in a stream. The rest of its way is that of the
    hot path.
    """
    whole, long, longer = [await translated(dialect, client, chunks) for chunks in (0, 50, 100)]
    assert 0.8 * most < whole <= most
    assert 0.8 * chunk < (longer - long) / 50 <= chunk
