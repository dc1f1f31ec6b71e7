"""Defaults that others rely on, and who may be let in."""

import pytest
from pydantic import ValidationError

from app.core.integration_framework import IntegrationConfig, RetryConfig
from app.settings import ConfigError, IntegrationSettings, RetrySettings, Settings, check_exposure


def test_the_limits_that_were_promised() -> None:
    settings = Settings()
    assert (settings.limits.body_bytes, settings.limits.json_depth) == (10 * 2**20, 64)
    assert settings.limits.header_seconds == 10
    times = settings.timeouts
    assert (times.first_token, times.idle, times.total) == (60, 300, 600)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1  # type: ignore[misc]


def test_an_integration_has_the_fields_and_defaults_of_the_framework() -> None:
    assert RetrySettings().model_dump() == RetryConfig().model_dump()
    ours, theirs = IntegrationSettings().model_dump(), IntegrationConfig(name="a").model_dump()
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in ours.items()} == {
        name: value for name, value in theirs.items() if name not in {"name", "type"}
    }


@pytest.mark.parametrize(
    ("host", "key", "allowed"),
    [
        ("127.0.0.1", None, True),
        ("127.8.8.8", None, True),
        ("::1", None, True),
        ("localhost", None, True),
        ("0.0.0.0", None, False),  # noqa: S104
        ("::", None, False),
        ("192.168.1.5", None, False),
        ("localhost.example.org", None, False),
        ("0.0.0.0", "key", True),  # noqa: S104
    ],
)
def test_without_a_key_only_this_machine(host: str, key: str | None, allowed: bool) -> None:
    settings = Settings.model_validate({"server": {"host": host, "api_key": key}})
    if allowed:
        check_exposure(settings)
    else:
        with pytest.raises(ConfigError, match=r"set LLM_PLATFORM_API_KEY or bind 127\.0\.0\.1"):
            check_exposure(settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])  # noqa: S104
def test_a_new_host_counts_only_once_the_platform_listens_there(host: str) -> None:
    check_exposure(Settings.model_validate({}), "127.0.0.1")
    check_exposure(Settings.model_validate({"server": {"api_key": "key"}}), "0.0.0.0")  # noqa: S104
    with pytest.raises(ConfigError, match="which needs a restart"):
        check_exposure(Settings.model_validate({"server": {"host": host}}), "0.0.0.0")  # noqa: S104


def test_an_identity_provider_is_asked_who_calls_so_others_may_connect() -> None:
    oidc = {"issuer": "https://idp.example", "audience": "a, b", "algorithms": "RS256,ES256"}
    settings = Settings.model_validate({"server": {"host": "0.0.0.0"}, "auth": {"oidc": oidc}})  # noqa: S104
    check_exposure(settings)
    assert (settings.auth.oidc.audience, settings.auth.oidc.algorithms) == (("a", "b"), ("RS256", "ES256"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"issuer": "https://idp.example"}, "audience is needed"),
        ({"issuer": "http://idp.example", "audience": "a"}, "with https"),
        ({"issuer": "idp.example", "audience": "a"}, "with https"),
        ({"jwks_url": "file:///etc/passwd"}, "with https"),
        ({"algorithms": ["HS256"]}, "Input should be 'RS256'"),
        ({"algorithms": ["none"]}, "Input should be 'RS256'"),
        ({"algorithms": []}, "at least 1"),
        ({"role_names": {"x": "root"}}, "Input should be 'viewer'"),
        ({"default_roles": ["root"]}, "Input should be 'viewer'"),
    ],
)
def test_an_identity_provider_that_can_t_be_believed_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate({"auth": {"oidc": wrong}})


def test_a_secret_for_keys_is_long() -> None:
    with pytest.raises(ValidationError, match="32 characters"):
        Settings.model_validate({"auth": {"key_secret": "short"}})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"default_tier": "free"}, "no tier 'free'"),
        ({"tiers": {"a b": {}}}, "no name for a tier"),
        ({"budgets": {"a": {"usd": 1, "team": "x", "each": "key"}}}, "one of key, team and each"),
        ({"budgets": {"a": {"usd": 1}}, "usage": {"enabled": False}}, r"need usage\.enabled and the database"),
        ({"budgets": {"a": {"usd": 1}}, "integrations": {"database": {"enabled": False}}}, "and the database"),
        ({"tiers": {"a": {"rates": [{"unit": "requests", "limit": 0}]}}}, "greater than or equal to 1"),
        ({"tiers": {"a": {"rates": [{"unit": "dollars", "limit": 1}]}}}, "Input should be 'requests'"),
        ({"tiers": {"a": {"rates": [{"unit": "tokens", "limit": 1}] * 2}}}, "one limit for each unit and window"),
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(wrong)


def test_a_tier_as_it_is_written() -> None:
    written = {"level": 2, "groups": "a, b", "rates": [{"unit": "tokens", "limit": 5, "window": "1d"}]}
    settings = Settings.model_validate({"tiers": {"free": written}, "default_tier": "free"})
    (rate,) = settings.tiers["free"].rates
    assert (settings.tiers["free"].groups, rate.window) == (("a", "b"), 86_400)
