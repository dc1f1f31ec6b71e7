"""Which integrations run: the platform's own, and those that the settings name.

An address or a key in the environment names one too (app.settings.environment).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from app.core.data_folder import models_folder
from app.core.integration_framework import IntegrationConfig, IntegrationType
from app.settings import IntegrationSettings, Settings

FRONT_ENDS = {
    "openai_api": "app.api.rest.front_end:OpenAIApi",
    "anthropic_api": "app.api.rest.front_end:AnthropicApi",
    "grpc": "app.api.grpc.front_end:GrpcApi",
    "websocket": "app.api.websocket.front_end:WebSocketApi",
    "graphql": "app.api.graphql.front_end:GraphQLApi",
}


def integration_configs(settings: Settings) -> list[IntegrationConfig]:
    """Every integration, disabled ones too. What the settings say of one wins, field by field."""
    own = (*_front_ends(settings), _embedded(settings), _hub(settings), _METRICS, _database(settings))
    found = {config["name"]: config for config in own}
    for name, wanted in settings.integrations.items():
        found[name] = _merged(found.get(name) or _KINDS.get(wanted.kind or name, {}), name, wanted)
    _share_folder(settings, found)
    return [IntegrationConfig(**config) for config in found.values()]


def _embedded(settings: Settings) -> dict[str, Any]:
    """Last wherever several know a model: a server of its own, or a cloud, was put there on purpose."""
    return {
        "name": "custom_models",
        "type": IntegrationType.MODEL_PLATFORM,
        "priority": 200,
        "settings": _kept_in(settings),
    }


def _hub(settings: Settings) -> dict[str, Any]:
    """On by default, as whoever has no model yet has to find and fetch one. It asks nobody before it is asked."""
    return {"name": _FETCHES, "type": IntegrationType.MODEL_PLATFORM, "settings": _kept_in(settings)}


def _share_folder(settings: Settings, found: Mapping[str, dict[str, Any]]) -> None:
    """What is fetched is put where the models are that run here; by default that is a folder beside the data."""
    fetching = [config for config in found.values() if (config.get("kind") or config["name"]) == _FETCHES]
    running = found["custom_models"]["settings"]
    if folder := running.get("directory"):
        for config in fetching:
            config["settings"] = {"directory": folder, **config.get("settings", {})}
    elif any(config.get("enabled", True) for config in fetching):
        running["directory"] = str(models_folder(settings.data_dir))


_FETCHES = "huggingface_hub"

_METRICS: dict[str, Any] = {"name": "prometheus", "type": IntegrationType.MONITORING, "health_check_interval": 0}


# What differs from other integrations where the settings name one of such a kind. A Redis that was away is used
# again within seconds.
_KINDS: dict[str, dict[str, Any]] = {
    "redis": {
        "type": IntegrationType.STORAGE,
        "health_check_interval": 5.0,
        "retry_config": {"max_backoff": 4.0},
    },
    "grafana": {"type": IntegrationType.MONITORING},
    "opentelemetry": {"type": IntegrationType.MONITORING, "health_check_interval": 15.0},
    "alertmanager": {"type": IntegrationType.MONITORING, "health_check_interval": 15.0},
}


def _database(settings: Settings) -> dict[str, Any]:
    """On by default, since a conversation has to be remembered from the first request on."""
    return {"name": "database", "type": IntegrationType.STORAGE, "settings": _kept_in(settings)}


def _kept_in(settings: Settings) -> dict[str, Any]:
    return {"data_dir": str(settings.data_dir)} if settings.data_dir else {}


def _front_ends(settings: Settings) -> Iterable[dict[str, Any]]:
    given = {"grpc": _grpc(settings), "graphql": _graphql(settings)}
    for name in FRONT_ENDS:
        yield {
            "name": name,
            "type": IntegrationType.API_COMPATIBILITY,
            "enabled": getattr(settings.front_ends, name),
            "health_check_interval": 0,
            "settings": given.get(name, {}),
        }


def _grpc(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.server.host,
        "port": settings.server.grpc_port,
        "shared_port": settings.server.workers > 1,
        "reflection": settings.env == "development",
    }


def _graphql(settings: Settings) -> dict[str, Any]:
    developing = settings.env == "development"
    return {"introspection": developing, "graphiql": developing}


def _merged(found: dict[str, Any], name: str, wanted: IntegrationSettings) -> dict[str, Any]:
    given = wanted.model_dump(exclude_unset=True)
    own = {**found.get("settings", {}), **given.get("settings", {})}
    return {"type": IntegrationType.MODEL_PLATFORM, **found, **given, "settings": own, "name": name}
