"""The model platforms. Their classes can be imported from here; each is loaded when it is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.integrations.model_platforms.anthropic.integration import (
        DEFAULT_ANTHROPICINTEGRATION_CONFIG,
        AnthropicIntegration,
    )
    from app.integrations.model_platforms.gemini import DEFAULT_GEMINIINTEGRATION_CONFIG, GeminiIntegration
    from app.integrations.model_platforms.huggingface import (
        DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG,
        HuggingFaceHubIntegration,
    )
    from app.integrations.model_platforms.llama_stack import (
        DEFAULT_LLAMASTACKINTEGRATION_CONFIG,
        LlamaStackIntegration,
    )
    from app.integrations.model_platforms.ollama import DEFAULT_OLLAMAINTEGRATION_CONFIG, OllamaIntegration
    from app.integrations.model_platforms.openai_compatible.integration import (
        DEFAULT_OPENAICOMPATIBLEINTEGRATION_CONFIG,
        OpenAICompatibleIntegration,
    )

__all__ = [
    "DEFAULT_ANTHROPICINTEGRATION_CONFIG",
    "DEFAULT_GEMINIINTEGRATION_CONFIG",
    "DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG",
    "DEFAULT_LLAMASTACKINTEGRATION_CONFIG",
    "DEFAULT_OLLAMAINTEGRATION_CONFIG",
    "DEFAULT_OPENAICOMPATIBLEINTEGRATION_CONFIG",
    "AnthropicIntegration",
    "GeminiIntegration",
    "HuggingFaceHubIntegration",
    "LlamaStackIntegration",
    "OllamaIntegration",
    "OpenAICompatibleIntegration",
]

_MODULES = {
    "DEFAULT_ANTHROPICINTEGRATION_CONFIG": "anthropic.integration",
    "DEFAULT_GEMINIINTEGRATION_CONFIG": "gemini",
    "DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG": "huggingface",
    "DEFAULT_LLAMASTACKINTEGRATION_CONFIG": "llama_stack",
    "DEFAULT_OLLAMAINTEGRATION_CONFIG": "ollama",
    "DEFAULT_OPENAICOMPATIBLEINTEGRATION_CONFIG": "openai_compatible.integration",
    "AnthropicIntegration": "anthropic.integration",
    "GeminiIntegration": "gemini",
    "HuggingFaceHubIntegration": "huggingface",
    "LlamaStackIntegration": "llama_stack",
    "OllamaIntegration": "ollama",
    "OpenAICompatibleIntegration": "openai_compatible.integration",
}


def __getattr__(name: str) -> Any:
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(module, name)
