"""Hugging Face. Here is inference, through its router of Inference Providers; start reading at integration.py."""

from app.integrations.model_platforms.huggingface.integration import (
    DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG,
    HuggingFaceHubIntegration,
)

__all__ = ["DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG", "HuggingFaceHubIntegration"]
