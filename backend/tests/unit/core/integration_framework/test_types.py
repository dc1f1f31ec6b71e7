from typing import Any

import pytest
from pydantic import ValidationError

from app.core.integration_framework import IntegrationConfig, IntegrationType, RetryConfig


def test_it_is_built_by_keywords_as_the_guide_shows() -> None:
    config = IntegrationConfig(
        name="my_integration",
        type=IntegrationType.MODEL_PLATFORM,
        enabled=True,
        priority=100,
        dependencies=["other_integration"],
        settings={"custom_setting": "value"},
        health_check_interval=60,
        retry_config={"max_retries": 3, "backoff_factor": 2, "max_backoff": 300},  # type: ignore[arg-type]
    )
    assert config.retry_config == RetryConfig(max_retries=3, backoff_factor=2, max_backoff=300)
    config.settings.update({"base_url": "http://127.0.0.1:1"})
    assert config.settings == {"custom_setting": "value", "base_url": "http://127.0.0.1:1"}


def test_defaults_are_not_shared_between_configurations() -> None:
    first, second = IntegrationConfig(name="a"), IntegrationConfig(name="a")
    assert first == second
    first.settings["x"] = 1
    assert second.settings == {}
    assert first != second


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"type": IntegrationType.STORAGE},
        {"kind": "k"},
        {"enabled": False},
        {"priority": 1},
        {"dependencies": ["d"]},
        {"settings": {"deep": {"er": [1]}}},
        {"health_check_interval": 1},
        {"retry_config": {"max_retries": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_field_makes_two_unequal(change: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"name": "a", **change}
    assert IntegrationConfig(name="a") != IntegrationConfig(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "../x"},
        {"name": "a\n"},
        {"name": "x" * 65},
        {"name": "a", "unknown": 1},
        {"name": "a", "health_check_interval": -1},
        {"name": "a", "retry_config": {"max_retries": -1}},
        {"name": "a", "retry_config": {"backoff_factor": 0.5}},
        {"name": "a", "retry_config": {"max_backoff": 0}},
        {"name": "a", "dependencies": ["no/good"]},
    ],
    ids=str,
)
def test_nonsense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        IntegrationConfig(**fields)


@pytest.mark.parametrize(("kind", "effective"), [(None, "mine"), ("ollama", "ollama")])
def test_the_kind_is_the_name_unless_told(kind: str | None, effective: str) -> None:
    assert IntegrationConfig(name="mine", kind=kind).effective_kind == effective
