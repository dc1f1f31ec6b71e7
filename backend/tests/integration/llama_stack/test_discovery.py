"""Which generation a server is, what its records say, and who among its providers is not well: answers as data."""

from typing import Any

import pytest

from app.domain.errors import ProviderProtocolError
from app.domain.models import ModelInfo
from app.integrations.model_platforms.llama_stack.discovery import (
    BEFORE_0_4,
    SINCE_0_4,
    Generation,
    read_models,
)
from app.integrations.model_platforms.llama_stack.settings import LlamaStackSettings

TEXT = frozenset({"chat", "completion"})
PLAIN = ModelInfo(id="m", provider="up", capabilities=TEXT)

# (what is listed, the version that is told, the generation, what is read)
LISTINGS: list[tuple[Any, str, Generation, list[ModelInfo]]] = [
    (
        {
            "data": [
                {
                    "identifier": "meta-llama/Llama-3.2-3B-Instruct",
                    "provider_resource_id": "llama3.2:3b-instruct-fp16",
                    "provider_id": "ollama",
                    "type": "model",
                    "metadata": {},
                    "model_type": "llm",
                },
                {
                    "identifier": "all-MiniLM-L6-v2",
                    "provider_resource_id": "all-minilm:latest",
                    "provider_id": "sentence-transformers",
                    "type": "model",
                    "metadata": {"embedding_dimension": 384.0, "context_length": 512},
                    "model_type": "embedding",
                },
            ]
        },
        "0.2.22",
        BEFORE_0_4,
        [
            ModelInfo(
                id="meta-llama/Llama-3.2-3B-Instruct",
                provider="up",
                capabilities=TEXT,
                owned_by="ollama",
                details={"provider_id": "ollama", "provider_resource_id": "llama3.2:3b-instruct-fp16"},
            ),
            ModelInfo(
                id="all-MiniLM-L6-v2",
                provider="up",
                capabilities=frozenset({"embedding"}),
                context_window=512,
                owned_by="sentence-transformers",
                details={
                    "provider_id": "sentence-transformers",
                    "provider_resource_id": "all-minilm:latest",
                    "embedding_dimension": 384.0,
                },
            ),
        ],
    ),
    (
        {
            "object": "list",
            "data": [
                {
                    "id": "watsonx/meta-llama/llama-3-3-70b-instruct",
                    "object": "model",
                    "created": 1760000000,
                    "owned_by": "ogx",
                    "custom_metadata": {
                        "model_type": "llm",
                        "provider_id": "watsonx",
                        "provider_resource_id": "meta-llama/llama-3-3-70b-instruct",
                        "context_length": 131072,
                    },
                },
                {
                    "id": "nvidia/reranker",
                    "object": "model",
                    "created": 1760000000,
                    "owned_by": "ogx",
                    "custom_metadata": {"model_type": "rerank", "provider_id": "nvidia"},
                },
                {"id": "bare", "object": "model", "created": 1, "owned_by": "ogx", "custom_metadata": None},
                {"id": "odd", "custom_metadata": {"model_type": "shield", "context_length": "long"}},
                {"no": "name"},
            ],
        },
        "1.2.0",
        SINCE_0_4,
        [
            ModelInfo(
                id="watsonx/meta-llama/llama-3-3-70b-instruct",
                provider="up",
                capabilities=TEXT,
                context_window=131072,
                owned_by="watsonx",
                serving=False,
                details={"provider_id": "watsonx", "provider_resource_id": "meta-llama/llama-3-3-70b-instruct"},
            ),
            ModelInfo(
                id="nvidia/reranker",
                provider="up",
                capabilities=frozenset({"rerank"}),
                owned_by="nvidia",
                details={"provider_id": "nvidia"},
            ),
            ModelInfo(id="bare", provider="up", capabilities=TEXT),
            ModelInfo(id="odd", provider="up", capabilities=frozenset()),
        ],
    ),
    # The records have the last word, and the version where there are none.
    ({"data": [{"identifier": "m", "model_type": "llm"}]}, "9.9.9", BEFORE_0_4, [PLAIN]),
    ({"data": [{"id": "m"}]}, "0.1.0", SINCE_0_4, [PLAIN]),
    ({"data": []}, "0.3.5", BEFORE_0_4, []),
    ({"data": []}, "0.4.0", SINCE_0_4, []),
    ({"data": []}, "1.0.0", SINCE_0_4, []),
    ({"data": []}, "", SINCE_0_4, []),
    ({"data": []}, "unknown", SINCE_0_4, []),
]


@pytest.mark.parametrize(("listing", "version", "generation", "models"), LISTINGS)
def test_generation_and_models(
    listing: Any, version: str, generation: Generation, models: list[ModelInfo]
) -> None:
    assert read_models(listing, version, "up", {"watsonx"}) == (generation, tuple(models))


@pytest.mark.parametrize("listing", [None, "no", {"models": []}, {"data": {}}])
def test_what_is_no_list(listing: Any) -> None:
    with pytest.raises(ProviderProtocolError):
        read_models(listing, "", "up", ())


@pytest.mark.parametrize(
    "address",
    ["http://host:8321", "http://host:8321/", "http://host:8321/v1", "http://host:8321/v1/openai/v1"],
)
def test_an_address_is_taken_with_and_without_its_api(address: str) -> None:
    assert LlamaStackSettings(base_url=address).base_url == "http://host:8321"


def test_provider_data_goes_under_both_names_and_is_never_shown() -> None:
    settings = LlamaStackSettings.model_validate(
        {"provider_data": {"together_api_key": "canary é"}, "api_key": "k", "headers": {"x-a": "b"}}
    )
    data = '{"together_api_key": "canary \\u00e9"}'
    assert settings.request_headers() == {
        "x-llamastack-provider-data": data,
        "x-ogx-provider-data": data,
        "authorization": "Bearer k",
        "x-a": "b",
    }
    assert "canary" not in f"{settings!r} {settings}"
    assert LlamaStackSettings().request_headers() == {}
