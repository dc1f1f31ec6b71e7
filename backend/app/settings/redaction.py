"""What must not be shown: which names mean a secret, and a value with its secrets taken out."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from app.settings.origins import FieldPath

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"(^|[^a-z])(api_?keys?|access_?key|private_?key|secret_?key|(?<!first_)token|password|passwd|secret|credentials?|authorization)$"
)
# What stands in these is kept to itself whatever its name.
_HOLDERS = frozenset({"headers", "provider_data"})
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def is_secret_name(name: str) -> bool:
    """Whether a field, a header or a variable of this name holds a secret: api_keys, HF_TOKEN, x-api-key…"""
    return _SECRET_NAME.search(name.lower().replace("-", "_")) is not None


def is_secret(path: FieldPath) -> bool:
    """Whether the value at `path` is one: by its name, by a parent's, or because it stands among such as are."""
    names = [part for part in path if isinstance(part, str)]
    return any(is_secret_name(name) for name in names) or not _HOLDERS.isdisjoint(names[:-1])


def redacted(value: Any, path: FieldPath, secrets: frozenset[FieldPath] = frozenset()) -> Any:
    """`value` with HIDDEN in the place of each secret in it. None stays None: it shows that nothing is set."""
    if value is None or (isinstance(value, bool | int | float) and not (is_secret(path) or path in secrets)):
        return value
    if isinstance(value, SecretStr) or path in secrets:
        return HIDDEN
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: redacted(each, (*path, key), secrets) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(each, (*path, index), secrets) for index, each in enumerate(value)]
    if is_secret(path):
        return HIDDEN
    return _USER_IN_ADDRESS.sub(HIDDEN, str(value))


def secrets_in(value: Any, path: FieldPath = (), secrets: frozenset[FieldPath] = frozenset()) -> Iterator[str]:
    """The secrets themselves. Of what stands in headers only what is named as one: `application/json` is none."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif not isinstance(value, str):
        for key, each in _below(value):
            yield from secrets_in(each, (*path, key), secrets)
    elif path in secrets or any(is_secret_name(part) for part in path if isinstance(part, str)):
        yield value.removeprefix("Bearer ")
    else:
        yield from _passwords(value)


def _below(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, BaseModel):
        return [(name, getattr(value, name)) for name in type(value).model_fields]
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()


def secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    """What stands in variables whose names mean a secret, whoever reads them."""
    for name, value in environ.items():
        if is_secret_name(name):
            yield value
        else:
            yield from _passwords(value)


def _passwords(text: str) -> Iterator[str]:
    return (user.rpartition(":")[2] for user in _USER_IN_ADDRESS.findall(text))
