"""What /api/tags and /api/show tell, as ModelInfo and a context length."""

from typing import Any

import pytest

from app.domain.models import ModelInfo
from app.integrations.model_platforms.ollama.client import Details, Installed, Running, Shown
from app.integrations.model_platforms.ollama.discovery import describe, truncates_silently
from app.integrations.model_platforms.ollama.settings import OllamaSettings

INSTALLED = Installed(
    name="qwen3:8b",
    digest="d1",
    size=5_000,
    modified_at="2025-11-02T09:11:12Z",
    details=Details(format="gguf", family="qwen3", parameter_size="8.2B", quantization_level="Q4_K_M"),
)


def shown(context: object = 40_960, **fields: Any) -> Shown:
    model_info = {"general.architecture": "qwen3", "qwen3.context_length": context, "clip.context_length": 77}
    return Shown(**{"model_info": model_info, "capabilities": ["completion"], **fields})


def test_describe() -> None:
    known = describe(
        "ollama", INSTALLED, shown(capabilities=["completion", "tools", "thinking"]), OllamaSettings()
    )
    assert known.num_ctx == 8192
    assert known.info == ModelInfo(
        id="qwen3:8b",
        provider="ollama",
        capabilities=frozenset({"chat", "completion", "json_schema", "tools", "reasoning"}),
        context_window=8192,
        size_bytes=5_000,
        format="gguf",
        quantization="Q4_K_M",
        family="qwen3",
        loaded=False,
        created=1762074672,
        owned_by="ollama",
        details={"digest": "d1", "parameter_size": "8.2B", "trained_context": 40_960},
    )


@pytest.mark.parametrize(
    ("told", "want"),
    [
        (["embedding"], {"embedding"}),
        (["completion", "vision", "audio"], {"chat", "completion", "json_schema", "vision", "audio"}),
        (["completion", "insert", "image", "new"], {"chat", "completion", "json_schema"}),
        ([], set()),
        (None, {"chat", "completion", "json_schema"}),
    ],
)
def test_capabilities(told: list[str] | None, want: set[str]) -> None:
    assert describe("o", INSTALLED, shown(capabilities=told), OllamaSettings()).info.capabilities == want


@pytest.mark.parametrize(
    ("installed", "described"),
    [
        (INSTALLED, Shown(model_info={"general.architecture": "nomic", "nomic.pooling_type": 1})),
        (Installed(name="x:latest", details=Details(family="nomic-bert")), Shown()),
    ],
)
def test_a_server_that_names_no_capabilities_still_tells_who_embeds(
    installed: Installed, described: Shown
) -> None:
    assert describe("o", installed, described, OllamaSettings()).info.capabilities == {"embedding"}


@pytest.mark.parametrize(
    ("settings", "described", "num_ctx"),
    [
        ({}, shown(), 8192),
        ({}, shown(4096), 4096),
        ({"max_num_ctx": 20_000}, shown(), 20_000),
        ({"num_ctx": 2048}, shown(), 2048),
        ({"num_ctx": 99_999}, shown(), 40_960),
        ({}, shown(parameters='stop    "<|end|>"\nnum_ctx                        16384'), 16_384),
        ({}, shown(parameters="num_ctx 99999"), 40_960),
        ({"num_ctx": 512}, shown(parameters="num_ctx 16384"), 512),
        ({}, Shown(), 8192),
        ({"num_ctx": 512}, Shown(), 512),
        ({}, shown("many"), 8192),
        ({"num_ctx": 512}, shown(capabilities=["completion", "vision"]), 2048),
    ],
)
def test_num_ctx(settings: dict[str, Any], described: Shown, num_ctx: int) -> None:
    known = describe("o", INSTALLED, described, OllamaSettings(**settings))
    assert known.num_ctx == known.info.context_window == num_ctx


@pytest.mark.parametrize(
    ("settings", "described", "loaded_with", "num_ctx"),
    [
        ({}, shown(), 32_768, 32_768),
        ({}, shown(), 4096, 8192),
        ({}, shown(), 0, 8192),
        ({}, shown(16_384), 32_768, 16_384),
        ({}, Shown(), 32_768, 32_768),
        ({"num_ctx": 2048}, shown(), 32_768, 2048),
        ({}, shown(parameters="num_ctx 16384"), 32_768, 16_384),
    ],
)
def test_what_is_in_memory_with_more_keeps_it(
    settings: dict[str, Any], described: Shown, loaded_with: int, num_ctx: int
) -> None:
    running = Running(name="qwen3:8b", context_length=loaded_with)
    known = describe("o", INSTALLED, described, OllamaSettings(**settings), running)
    assert known.num_ctx == known.info.context_window == num_ctx
    assert known.info.loaded


@pytest.mark.parametrize(
    ("remote_host", "base_url"),
    [("https://ollama.com:443", "http://localhost:11434"), ("", "https://ollama.com")],
)
def test_a_model_in_a_cloud_keeps_its_own_context(remote_host: str, base_url: str) -> None:
    cloud = Installed(name="gpt-oss:120b-cloud", remote_host=remote_host)
    known = describe("o", cloud, shown(131_072), OllamaSettings(num_ctx=512, base_url=base_url))
    assert known.num_ctx is None
    assert (known.info.context_window, known.info.loaded) == (131_072, None)
    assert known.info.details.get("remote_host", "") == remote_host


def test_the_name_without_its_default_tag_is_an_alias() -> None:
    assert describe("o", Installed(name="llama3.2:latest"), Shown(), OllamaSettings()).info.aliases == (
        "llama3.2",
    )


@pytest.mark.parametrize(
    ("version", "silently"),
    [
        ("0.12.5", True),
        ("0.9.0", True),
        ("0.12.6", False),
        ("0.12.6-rc1", False),
        ("0.33.0-rc2", False),
        ("1.0.0", False),
        ("v0.5.1", True),
        ("0.0.0", False),
        ("", False),
        ("main", False),
    ],
)
def test_versions_that_cut_prompts(version: str, silently: bool) -> None:
    assert truncates_silently(version) is silently
