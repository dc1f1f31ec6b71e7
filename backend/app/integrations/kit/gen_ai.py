"""Names of OpenTelemetry's conventions for generative AI, for metrics and for spans.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

from collections.abc import Mapping

PROVIDER_NAMES: Mapping[str, str] = {
    "azure_openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
"""What `gen_ai.provider.name` is for a kind of integration, where it is not the kind itself."""


def provider_name(kind: str) -> str:
    return PROVIDER_NAMES.get(kind, kind)
