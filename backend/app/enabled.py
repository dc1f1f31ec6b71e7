"""Which integrations run: the platform's own, those whose key or address the environment holds, and those that the
configuration names. The configuration has the last word, field by field.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.core.integration_framework import IntegrationConfig, IntegrationType
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.settings import IntegrationSettings, LoadedSettings

FRONT_ENDS = {"openai_api": "app.api.rest.front_end:OpenAIApi"}


def integration_configs(loaded: LoadedSettings, environ: Mapping[str, str]) -> list[IntegrationConfig]:
    """Every integration with its settings, disabled ones too."""
    found = {config["name"]: config for config in (*_front_ends(loaded), *_local(environ), *_keyed(environ))}
    for name, wanted in loaded.settings.integrations.items():
        found[name] = _merged(found.get(name, {}), name, wanted)
    return [IntegrationConfig(**config) for config in found.values()]


def _front_ends(loaded: LoadedSettings) -> Iterable[dict[str, Any]]:
    switches = loaded.settings.front_ends
    for name in FRONT_ENDS:
        yield {
            "name": name,
            "type": IntegrationType.API_COMPATIBILITY,
            "enabled": getattr(switches, name),
            "health_check_interval": 0,
        }


def _local(environ: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    """The embedded runtime always; Ollama where an address is set."""
    directory = environ.get("CUSTOM_MODELS_DIR")
    yield _model_platform("custom_models", {"directory": directory} if directory else {}, priority=200)
    if address := environ.get("OLLAMA_BASE_URL"):
        yield _model_platform("ollama", {"base_url": address}, priority=150)


def _keyed(environ: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    for row in CATALOGUE.values():
        if row.api_key_env and (key := environ.get(row.api_key_env)):
            yield _model_platform(row.kind, {"api_key": key})


def _model_platform(name: str, settings: dict[str, Any], *, priority: int = 100) -> dict[str, Any]:
    return {"name": name, "type": IntegrationType.MODEL_PLATFORM, "settings": settings, "priority": priority}


def _merged(found: dict[str, Any], name: str, wanted: IntegrationSettings) -> dict[str, Any]:
    given = wanted.model_dump(exclude_unset=True)
    settings = {**found.get("settings", {}), **given.pop("settings", {})}
    return {"type": IntegrationType.MODEL_PLATFORM, **found, **given, "name": name, "settings": settings}
