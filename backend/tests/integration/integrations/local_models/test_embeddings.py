import asyncio
import math
import struct
from base64 import b64decode
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from app.domain.embeddings import EmbeddingResult
from app.domain.errors import ContextLengthExceeded, InvalidRequest, UnsupportedFeature
from app.domain.events import Opaque, UsageReported
from app.domain.exchange import Exchange
from app.domain.usage import Usage
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.wire import openai_embeddings
from tests.integration.integrations.local_models.asking import answered, asked, encoded, events

TEXTS = ["What is a pod?", "What is a pod please?", "Hello!"]
WIDTH = 128


def exchange(value: Any, **fields: Any) -> Exchange[Any]:
    return encoded(openai_embeddings.FORMAT, {"input": value, **fields}, openai_embeddings.decode)


async def body(custom: CustomModelsIntegration, value: Any, **fields: Any) -> Any:
    """What a client of the same format gets to see."""
    whole, usage = await events(await custom.embed(exchange(value, **fields)))
    assert isinstance(whole, Opaque)
    assert whole.whole
    found = msgspec.json.decode(whole.data)
    assert usage == UsageReported(usage=Usage(input_tokens=found["usage"]["prompt_tokens"]))
    return found


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


async def test_texts_of_like_meaning_lie_close(custom: CustomModelsIntegration) -> None:
    found = await body(custom, TEXTS)
    assert (found["object"], found["model"]) == ("list", "demo")
    assert [entry["index"] for entry in found["data"]] == [0, 1, 2]
    one, like, unlike = (entry["embedding"] for entry in found["data"])
    assert len(one) == WIDTH
    assert likeness(one, like) > likeness(one, unlike)
    assert math.isclose(likeness(one, one), 1.0, rel_tol=1e-6)


async def test_base64_holds_the_same_numbers(custom: CustomModelsIntegration) -> None:
    plain = (await body(custom, TEXTS[0]))["data"][0]["embedding"]
    packed = (await body(custom, TEXTS[0], encoding_format="base64"))["data"][0]["embedding"]
    assert struct.unpack(f"<{WIDTH}f", b64decode(packed)) == pytest.approx(plain, abs=1e-6)


async def test_a_question_in_another_format_gets_vectors(custom: CustomModelsIntegration) -> None:
    request = openai_embeddings.decode(msgspec.json.encode({"model": "x", "input": [[8, 9], [5, 6, 7]]}))
    (result,) = await events(await custom.embed(Exchange(model="demo", decode=lambda: request)))
    assert isinstance(result, EmbeddingResult)
    assert [len(vector) for vector in result.vectors] == [WIDTH, WIDTH]
    assert result.model == "demo"
    assert result.usage is not None
    assert result.usage.input_tokens == 5


async def test_many_at_once_each_get_their_own(custom: CustomModelsIntegration) -> None:
    alone = [(await body(custom, text))["data"][0]["embedding"] for text in TEXTS]
    together = await asyncio.gather(*(body(custom, text) for text in TEXTS * 4))
    for expected, found in zip(alone * 4, together, strict=True):
        assert likeness(expected, found["data"][0]["embedding"]) > 0.9999
    assert all(likeness(one, other) < 0.999 for one, other in pairwise(alone))


async def test_chat_and_embeddings_live_side_by_side(custom: CustomModelsIntegration) -> None:
    await asyncio.gather(body(custom, TEXTS), answered(custom, asked()))
    report = await custom.health_check()
    assert sorted(report.details["loaded"]["demo"]) == ["embedding", "generation"]


@pytest.mark.parametrize(
    ("value", "fields", "kind", "message"),
    [
        (["pod " * 1200], {}, ContextLengthExceeded, r"holds 1024 tokens, and the prompt has \d{4}"),
        ([], {}, InvalidRequest, "must not be empty"),
        ("", {}, InvalidRequest, "cannot be empty"),
        ([[99_999]], {}, InvalidRequest, "invalid tokens"),
        ("a", {"dimensions": 8}, UnsupportedFeature, "dimensions"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(
    custom: CustomModelsIntegration, value: Any, fields: dict[str, Any], kind: type[InvalidRequest], message: str
) -> None:
    with pytest.raises(kind, match=message):
        await custom.embed(exchange(value, **fields))


async def test_who_leaves_does_not_take_the_slot_along(custom: CustomModelsIntegration) -> None:
    await body(custom, TEXTS[0])
    tasks = [asyncio.create_task(body(custom, TEXTS * 20)) for _ in range(12)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await body(custom, TEXTS[0]))["data"]
