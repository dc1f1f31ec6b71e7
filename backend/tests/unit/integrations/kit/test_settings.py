"""Addresses and headers that an operator may set."""

import pytest
from pydantic import BaseModel, ValidationError

from app.integrations.kit.settings import BaseUrl, HeaderLines, UpstreamSettings


class Settings(BaseModel):
    base_url: BaseUrl = "http://host"
    headers: HeaderLines = {}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://host.example/deep/path/", "https://host.example/deep/path"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_good_addresses(given: str, kept: str) -> None:
    assert Settings(base_url=given).base_url == kept


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000",
        "ftp://host",
        "file:///etc/passwd",
        "http://",
        "http://user:secret@host",
        "http://user@host",
        "http://host?key=secret",
        "http://host/#part",
        "",
    ],
)
def test_bad_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        Settings(base_url=address)


@pytest.mark.parametrize("headers", [{"x y": "1"}, {"x": "a\r\nb: c"}, {"x": "\u00e9"}, {"": "1"}])
def test_bad_headers_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(headers=headers)


def test_header_values_stay_out_of_the_repr() -> None:
    assert "secret" not in repr(Settings(headers={"x-key": "secret"}))


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({}, ()),
        ({"api_key": "not-needed"}, ()),
        ({"api_key": ""}, ()),
        ({"api_key": "k"}, ("k",)),
        ({"api_keys": []}, ()),
        ({"api_keys": ["a", "b", "a", ""]}, ("a", "b")),
        ({"api_key": "not-needed", "api_keys": ["a", "b"]}, ("a", "b")),
        ({"api_keys": ["a", "b"], "headers": {"Authorization": "Basic z"}}, ()),
    ],
)
def test_keys(given: dict[str, object], keys: tuple[str, ...]) -> None:
    settings = UpstreamSettings.model_validate(given)
    assert settings.keys == keys
    assert settings.has_key is bool(keys)
    assert ("authorization" in settings.request_headers()) is (len(keys) == 1)


@pytest.mark.parametrize(
    "given", [{"api_key": "k", "api_keys": ["a"]}, {"api_key": " k"}, {"api_keys": ["a\n"]}, {"api_key": "\u00e9"}]
)
def test_keys_that_cannot_be_sent_or_are_too_many(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UpstreamSettings.model_validate(given)


def test_keys_stay_out_of_the_repr() -> None:
    assert "secret" not in repr(UpstreamSettings.model_validate({"api_keys": ["secret"]}))
