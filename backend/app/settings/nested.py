"""Nested names into a tree: pydantic-settings' reading of the environment, over variables that are handed in."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from app.settings.schema import Settings


def read_nested(variables: Mapping[str, str], *, prefix: str, delimiter: str) -> dict[str, Any]:
    """{"llm_platform_server__port": "80"} is {"server": {"port": "80"}}. Names are in lower case.

    What should be a list or a mapping is read as JSON. What is not JSON is passed on as text: the schema then says
    what is wrong with it, or takes "a, b" for a list.
    """
    source = _Source(_Schema, env_prefix=prefix, env_nested_delimiter=delimiter)
    source.env_vars = variables
    return source()


class _Schema(Settings, BaseSettings):
    model_config = SettingsConfigDict(extra="forbid")


class _Source(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return json.loads(value)
        except ValueError:
            return value
