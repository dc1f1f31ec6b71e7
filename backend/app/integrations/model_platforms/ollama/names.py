"""The grammar of Ollama's model names: [host[:port]/][namespace/]model[:tag].

After https://github.com/ollama/ollama/blob/main/types/model/name.go; a name that passes holds no `..` step, no
backslash and no control character, so it is safe to send on and to print.
"""

import re

from app.domain.errors import InvalidRequest

DEFAULT_TAG = "latest"

_HOST = r"\w[\w.:-]{0,349}"
_NAMESPACE = r"\w[\w-]{0,79}"
_PART = r"\w[\w.-]{0,79}"
_NAME = re.compile(rf"(?:(?:{_HOST}/)?{_NAMESPACE}/)?{_PART}(?::{_PART})?", re.ASCII)


def check(name: str) -> str:
    """Returns `name`. Raises InvalidRequest when Ollama could not have a model of that name."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            "This is not a model name: Ollama's names look like 'llama3.2', 'qwen3:8b' or 'namespace/model:tag'.",
            param="model",
        )
    return name


def canonical(name: str) -> str:
    """The name with its tag, in lower case: two names that Ollama holds for the same model become equal."""
    _, _, last = name.rpartition("/")
    return (name if ":" in last else f"{name}:{DEFAULT_TAG}").lower()
