"""Which integrations the settings mean, and what the gRPC front-end is told."""

from typing import Any

import pytest

from app.core.integration_framework import IntegrationConfig, IntegrationType
from app.enabled import FRONT_ENDS, integration_configs
from app.settings import Settings, load_settings


def configs(**settings: Any) -> dict[str, IntegrationConfig]:
    return {config.name: config for config in integration_configs(Settings.model_validate(settings))}


def test_every_front_end_is_an_integration_that_can_be_switched_off() -> None:
    for name in FRONT_ENDS:
        assert configs()[name].enabled
        assert configs()[name].type is IntegrationType.API_COMPATIBILITY
        assert not configs(front_ends={name: False})[name].enabled


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"host": "127.0.0.1", "port": 50051, "shared_port": False, "reflection": True}),
        (
            {"env": "production", "server": {"host": "::1", "grpc_port": 7, "workers": 2}},
            {"host": "::1", "port": 7, "shared_port": True, "reflection": False},
        ),
    ],
)
def test_grpc_follows_the_platforms_settings(settings: dict[str, Any], wanted: dict[str, object]) -> None:
    assert configs(**settings)["grpc"].settings == wanted


def test_what_is_set_for_an_integration_wins_field_by_field() -> None:
    own = {"certificate": "tls.crt", "private_key": "tls.key", "reflection": True}
    found = configs(env="production", integrations={"grpc": {"settings": own}})["grpc"]
    assert found.settings == {"host": "127.0.0.1", "port": 50051, "shared_port": False, **own}
    assert found.type is IntegrationType.API_COMPATIBILITY


def test_a_redis_is_there_when_it_is_named_and_is_looked_for_often() -> None:
    assert "redis" not in configs()
    found = configs(integrations={"redis": {}, "limits": {"kind": "redis", "health_check_interval": 60}})
    assert {found[name].type for name in ("redis", "limits")} == {IntegrationType.STORAGE}
    assert {found[name].retry_config.max_backoff for name in ("redis", "limits")} == {4.0}
    assert (found["redis"].health_check_interval, found["limits"].health_check_interval) == (5.0, 60.0)


def test_the_database_is_in_the_platforms_folder_unless_it_says_otherwise() -> None:
    assert configs()["database"].settings == {}
    assert configs(data_dir="/data")["database"].settings == {"data_dir": "/data"}
    own = {"database": {"settings": {"data_dir": "/own"}}}
    assert configs(data_dir="/data", integrations=own)["database"].settings == {"data_dir": "/own"}


def test_what_is_fetched_is_put_where_the_models_are() -> None:
    def folders(**settings: Any) -> list[object]:
        found = configs(data_dir="/data", **settings)
        return [found[name].settings.get("directory") for name in ("custom_models", "huggingface_hub")]

    own = {"custom_models": {"settings": {"directory": "/own"}}}
    assert configs(data_dir="/data")["huggingface_hub"].settings == {"data_dir": "/data"}
    assert folders() == ["/data/models", None]
    assert folders(integrations=own) == ["/own", "/own"]
    assert folders(integrations={**own, "huggingface_hub": {"settings": {"directory": "/other"}}}) == [
        "/own",
        "/other",
    ]
    assert folders(integrations={"huggingface_hub": {"enabled": False}}) == [None, None]


@pytest.mark.parametrize(
    ("environment", "running"),
    [
        ({}, {"prometheus"}),
        ({"PROMETHEUS_ENABLED": "false"}, set()),
        ({"ALERTMANAGER_URL": "http://alerts:9093"}, {"prometheus", "alertmanager"}),
    ],
)
def test_what_watches_by_the_environment(environment: dict[str, str], running: set[str]) -> None:
    found = integration_configs(load_settings(None, environment, {}).settings)
    watching = [each for each in found if each.type is IntegrationType.MONITORING]
    assert {each.name for each in watching if each.enabled} == running
