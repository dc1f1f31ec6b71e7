import asyncio
from collections.abc import Callable

import pytest

from app.domain.errors import InvalidRequest, PlatformError, UpstreamUnavailable
from app.integrations.model_platforms.local_models.counting import prompt_tokens
from app.integrations.model_platforms.local_models.engine import Engine
from app.integrations.model_platforms.local_models.inference import Source
from app.integrations.model_platforms.local_models.questions import Question

SOURCE = Source(provider="custom_models", model="small", window=64)
QUESTION = Question(body=b'{"messages":[]}', answers=1, per_prompt=1, wants_usage=False)
LENGTH = b'{"choices":[],"prompt_progress":{"total":7,"cache":0,"processed":0,"time_ms":0}}'


class ScriptedServer:
    """Says `chunks` one after the other, however long that is, and keeps what it was asked."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.asked: list[bytes] = []

    def handle_chat_completions(self, request: bytes, callback: Callable[[bytes], bool]) -> None:
        self.asked.append(request)
        if b"odd" in request:
            raise ValueError("odd")
        for chunk in self.chunks:
            while not callback(chunk) and chunk == LENGTH:
                pass

    handle_completions = handle_chat_completions

    def handle_embeddings(self, request: bytes) -> bytes:
        return request

    def handle_metrics(self) -> str:
        return ""


async def counted(*chunks: bytes, question: Question = QUESTION) -> int:
    engine = Engine(ScriptedServer(*chunks), slots=1, name="test")
    try:
        return await prompt_tokens(engine, question, SOURCE)
    finally:
        await engine.drained()
        await engine.close()


@pytest.mark.parametrize(
    "chunk", [LENGTH, b'{"error":{"type":"exceed_context_size_error","message":"","n_prompt_tokens":7,"n_ctx":5}}']
)
async def test_a_length_or_a_refusal_that_tells_it(chunk: bytes) -> None:
    async with asyncio.timeout(10):
        assert await counted(chunk) == 7


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ((b'{"error":{"type":"invalid_request_error","message":"no"}}',), InvalidRequest),
        ((b'{"error":{"type":"server_error","message":"no"}}',), UpstreamUnavailable),
        ((b'{"choices":[]}',), UpstreamUnavailable),
        ((), UpstreamUnavailable),
    ],
)
async def test_whatever_else_it_says_is_an_error(chunks: tuple[bytes, ...], kind: type[PlatformError]) -> None:
    with pytest.raises(kind):
        await counted(*chunks)


async def test_what_it_throws_is_one_too() -> None:
    with pytest.raises(InvalidRequest, match="odd"):
        await counted(question=Question(body=b'{"odd":1}', answers=1, per_prompt=1, wants_usage=False))


async def test_a_model_that_leaves_cannot_count() -> None:
    engine = Engine(ScriptedServer(LENGTH), slots=1, name="test")
    await engine.close()
    with pytest.raises(UpstreamUnavailable, match="has left memory") as caught:
        await prompt_tokens(engine, QUESTION, SOURCE)
    assert caught.value.retry_after == 1.0


async def test_one_slot_is_for_all_counts_unless_an_answer_may_be_in_it() -> None:
    server = ScriptedServer(LENGTH)
    engine = Engine(server, slots=3, name="test")
    glances = [await engine.glance(b'{"a":1}') for _ in range(2)]
    answer = await engine.generate("chat", b'{"b":1}')
    for channel in (*glances, answer):
        await channel.take()
    glances[0].close()
    late = await engine.glance(b'{"c":1}')
    await late.take()
    assert sorted(server.asked) == [b'{"b":1}', b'{"c":1}', *[b'{"id_slot":0,"a":1}'] * 2]
    await engine.close()
