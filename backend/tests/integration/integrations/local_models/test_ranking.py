"""Reranking in the process: the demo model with another word in its header, which makes scores of a sort."""

import asyncio
from pathlib import Path
from typing import Any

import gguf
import msgspec
import pytest

from app.domain.errors import ContextLengthExceeded, InvalidRequest, UnsupportedFeature
from app.domain.events import Opaque, UsageReported
from app.domain.exchange import Exchange
from app.domain.rerank import RerankRequest
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from app.wire import rerank
from tests.integration.integrations.local_models.asking import answered, asked, custom_models, encoded, events

TEXTS = ["A pod is one or more containers.", "A service is a stable address.", "Hello."]


def write_ranker(path: Path) -> None:
    read = gguf.GGUFReader(DEMO_PATH)
    writer = gguf.GGUFWriter(path, "llama")
    for key, field in read.fields.items():
        kind = field.types[0]
        if key.startswith("GGUF.") or key in ("general.architecture", "tokenizer.chat_template"):
            continue
        if kind is gguf.GGUFValueType.ARRAY:
            writer.add_array(key, field.contents())
        else:
            writer.add_key_value(key, field.contents(), kind)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    for tensor in read.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    await asyncio.to_thread(write_ranker, tmp_path / "ranker.gguf")
    return tmp_path


def question(**fields: Any) -> Exchange[RerankRequest]:
    body = {"query": "What is a pod?", "documents": TEXTS, **fields}
    return encoded(rerank.FORMAT, body, rerank.decode, model="ranker")


async def ranked(custom: CustomModelsIntegration, **fields: Any) -> dict[str, Any]:
    whole, usage = await events(await custom.rerank(question(**fields)))
    assert isinstance(whole, Opaque)
    assert isinstance(usage, UsageReported)
    answer: dict[str, Any] = msgspec.json.decode(whole.data)
    assert answer["usage"]["total_tokens"] == usage.usage.input_tokens > 10
    return answer


async def test_documents_are_ranked(folder: Path) -> None:
    async with custom_models(directory=str(folder)) as custom:
        await custom.load("ranker")
        assert [(each.model, each.mode) for each in custom.residents()] == [("ranker", "ranking")]
        answer = await ranked(custom)
        assert (answer["model"], answer["object"]) == ("ranker", "list")
        scores = [result["relevance_score"] for result in answer["results"]]
        assert scores == sorted(scores, reverse=True)
        assert sorted(result["index"] for result in answer["results"]) == [0, 1, 2]
        best = answer["results"][0]["index"]
        objects = [{"text": text, "id": 7} for text in TEXTS]
        few = await ranked(custom, documents=objects, top_n=1, return_documents=True)
        assert [(each["index"], each["document"]) for each in few["results"]] == [(best, {"text": TEXTS[best]})]
        assert len(custom.residents()) == 1


async def test_what_is_refused(folder: Path) -> None:
    async with custom_models(directory=str(folder)) as custom:
        with pytest.raises(ContextLengthExceeded):
            await custom.rerank(question(documents=["word " * 3000]))
        for documents in ([], [7], [{"title": "x"}], "text"):
            with pytest.raises(InvalidRequest, match="documents"):
                await custom.rerank(question(documents=documents))
        with pytest.raises(UnsupportedFeature, match="not made for chat"):
            await answered(custom, asked(), model="ranker")
        exchange = encoded(rerank.FORMAT, {"query": "q", "documents": ["d"]}, rerank.decode, model="demo")
        with pytest.raises(UnsupportedFeature, match="not made for rerank"):
            await custom.rerank(exchange)
