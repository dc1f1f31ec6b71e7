"""Every integration that comes with the platform: kind → class. Classes are named, not imported: nothing of an
integration is loaded before it is enabled.
"""

from collections.abc import Mapping

from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.vendor import Vendor

_PLATFORMS = "app.integrations.model_platforms"
_MONITORING = "app.integrations.monitoring"


def _class(row: Vendor) -> str:
    if row.residence is not None:
        return "residing:ResidingIntegration"
    if row.tokenizing is not None:
        return "integration:TokenizingIntegration"
    return f"integration:{'TokenCountingIntegration' if row.counting else 'OpenAICompatibleIntegration'}"


BUILTIN: Mapping[str, str] = {
    "anthropic": f"{_PLATFORMS}.anthropic.integration:AnthropicIntegration",
    "gemini": f"{_PLATFORMS}.gemini:GeminiIntegration",
    "ollama": f"{_PLATFORMS}.ollama:OllamaIntegration",
    "huggingface_hub": f"{_PLATFORMS}.huggingface:HuggingFaceHubIntegration",
    "llama_stack": f"{_PLATFORMS}.llama_stack:LlamaStackIntegration",
    "database": "app.integrations.storage.database.integration:DatabaseIntegration",
    "redis": "app.integrations.storage.redis.integration:RedisIntegration",
    "alertmanager": f"{_MONITORING}.alertmanager.integration:AlertmanagerIntegration",
    "prometheus": f"{_MONITORING}.prometheus.integration:PrometheusIntegration",
    "grafana": f"{_MONITORING}.grafana.integration:GrafanaIntegration",
    "opentelemetry": f"{_MONITORING}.opentelemetry.integration:OpenTelemetryIntegration",
    "custom_models": f"{_PLATFORMS}.local_models.integration:CustomModelsIntegration",
    **{kind: f"{_PLATFORMS}.openai_compatible.{_class(row)}" for kind, row in CATALOGUE.items()},
}
