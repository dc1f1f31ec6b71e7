import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.core.integration_framework import (
    BaseIntegration,
    EventPublisher,
    HealthReport,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationContext,
    MissingResource,
    UnknownIntegration,
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str
    token: SecretStr | None = None
    size: int = Field(default=1, ge=1)


class Plugin(BaseIntegration):
    settings_model = Settings
    settings: Settings

    async def initialize(self) -> None: ...

    async def health_check(self) -> HealthReport | None:
        return None

    async def shutdown(self) -> None: ...


class Plain(BaseIntegration):
    async def initialize(self) -> None: ...

    async def health_check(self) -> HealthReport | None:
        return None

    async def shutdown(self) -> None: ...


def test_settings_are_checked_and_typed() -> None:
    plugin = Plugin(IntegrationConfig(name="p", settings={"url": "u", "size": 3}))
    assert (plugin.name, plugin.settings.url, plugin.settings.size) == ("p", "u", 3)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, ["settings.url"]),
        ({"url": "u", "size": 0}, ["settings.size"]),
        ({"url": "u", "tokne": "sk-canary"}, ["settings.tokne"]),
        ({"url": ["sk-canary"], "token": 17}, ["settings.url", "settings.token"]),
    ],
)
def test_a_wrong_setting_is_named_but_its_value_is_not(settings: dict[str, object], named: list[str]) -> None:
    with pytest.raises(IntegrationConfigError) as raised:
        Plugin(IntegrationConfig(name="p", settings=settings))
    assert all(name in str(raised.value) for name in named)
    assert "canary" not in str(raised.value)
    # Chained, the library's own error would carry the values into every traceback.
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_an_integration_without_settings_takes_none() -> None:
    Plain(IntegrationConfig(name="p"))
    with pytest.raises(IntegrationConfigError, match=r"settings\.url"):
        Plain(IntegrationConfig(name="p", settings={"url": "u"}))


def test_it_can_be_used_alone() -> None:
    plugin = Plugin(IntegrationConfig(name="p", settings={"url": "u"}))
    plugin.publish("nobody listens")
    with pytest.raises(MissingResource, match="Settings"):
        plugin.context.resource(Settings)
    with pytest.raises(UnknownIntegration, match="'db' is not among"):
        plugin.context.dependency("db")


def test_the_context_carries_events_and_resources() -> None:
    events, heard = EventPublisher(), list[str]()
    events.subscribe(str, heard.append)
    shared = Settings(url="shared")
    plugin = Plugin(IntegrationConfig(name="p", settings={"url": "u"}))
    plugin.context = IntegrationContext(events, {Settings: shared})
    plugin.publish("told")
    assert heard == ["told"]
    assert plugin.context.resource(Settings) is shared


def test_a_resource_shared_under_the_wrong_type_is_missing() -> None:
    with pytest.raises(MissingResource, match="is a str"):
        IntegrationContext(resources={Settings: "not settings"}).resource(Settings)
