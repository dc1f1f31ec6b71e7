"""Google's Gemini, spoken to in its own API (https://ai.google.dev/api). Start reading at integration.py."""

from app.integrations.model_platforms.gemini.integration import DEFAULT_GEMINIINTEGRATION_CONFIG, GeminiIntegration

__all__ = ["DEFAULT_GEMINIINTEGRATION_CONFIG", "GeminiIntegration"]
