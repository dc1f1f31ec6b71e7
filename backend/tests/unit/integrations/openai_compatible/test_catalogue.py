"""The vendors' rows, and the built-in kinds made of them."""

import importlib
import subprocess
import sys

import pytest

from app.integrations.builtin import BUILTIN
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.integration import OpenAICompatibleIntegration

ASKED_FOR = {
    *("openai_compatible", "vllm", "tgi", "llamacpp", "localai", "text_generation_webui", "lm_studio"),
    *("openai", "groq", "nvidia", "azure_openai", "xai", "fireworks", "cerebras", "perplexity", "cohere"),
    *("moonshot", "zai", "dashscope", "sambanova"),
}


def test_the_vendors_that_users_rely_on_are_there() -> None:
    assert set(CATALOGUE) >= ASKED_FOR


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_row_is_in_order(kind: str) -> None:
    vendor = CATALOGUE[kind]
    assert vendor.kind == kind
    known = (vendor.base_url or "").startswith("https://") or vendor.base_url_env is not None
    assert known or vendor.api_key_env is None
    assert not (vendor.base_url or "").endswith(("/", vendor.prefix or "/"))


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_row_without_chat_completions_has_responses(kind: str) -> None:
    assert CATALOGUE[kind].chat or CATALOGUE[kind].responses


@pytest.mark.parametrize("kind", CATALOGUE)
def test_every_row_is_a_built_in_kind(kind: str) -> None:
    module, _, name = BUILTIN[kind].partition(":")
    assert issubclass(getattr(importlib.import_module(module), name), OpenAICompatibleIntegration)


@pytest.mark.parametrize("module", ["app.integrations.model_platforms", "app.integrations.builtin"])
def test_naming_the_integrations_imports_none(module: str) -> None:
    code = f"import sys, {module}; print([m for m in sys.modules if m.endswith(('.integration', '.ollama'))])"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert listed.stdout.strip() == "[]"


def test_the_package_knows_its_integrations_and_nothing_else() -> None:
    package = importlib.import_module("app.integrations.model_platforms")
    assert package.OpenAICompatibleIntegration is OpenAICompatibleIntegration
    assert package.DEFAULT_OPENAICOMPATIBLEINTEGRATION_CONFIG.settings["api_key"] == "not-needed"
    assert package.DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG.name == "huggingface_hub"
    assert package.DEFAULT_LLAMASTACKINTEGRATION_CONFIG.settings["base_url"] == "http://localhost:8321"
    assert {name for name in package.__all__ if not hasattr(package, name)} == set()
    with pytest.raises(AttributeError, match="Nothing"):
        package.Nothing  # noqa: B018
