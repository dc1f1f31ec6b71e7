"""Llama Stack, and OGX, as it has been called since 2026. Start reading at integration.py."""

from app.integrations.model_platforms.llama_stack.integration import (
    DEFAULT_LLAMASTACKINTEGRATION_CONFIG,
    LlamaStackIntegration,
)

__all__ = ["DEFAULT_LLAMASTACKINTEGRATION_CONFIG", "LlamaStackIntegration"]
