"""Ollama, spoken to in its own API (https://docs.ollama.com/api). Start reading at integration.py."""

from app.integrations.model_platforms.ollama.integration import DEFAULT_OLLAMAINTEGRATION_CONFIG, OllamaIntegration

__all__ = ["DEFAULT_OLLAMAINTEGRATION_CONFIG", "OllamaIntegration"]
