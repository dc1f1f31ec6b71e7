"""Names: whose model a LiteLLM name means, and what an integration is called."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.settings.litellm.providers import BARE_NAMES, PROVIDERS, UNSERVED
from app.settings.litellm.source import variable

_ADDRESS_ENDING = re.compile(r"_(API_BASE|BASE_URL|API_URL|URL|ENDPOINT|HOST|ADDRESS)$")


def provider_and_model(name: str, custom: str | None) -> tuple[str, str]:
    """`anthropic/claude-x` is ("anthropic", "claude-x"). `custom`: what custom_llm_provider says.

    An unknown prefix is given back as one: LiteLLM refuses such a name.
    """
    prefix, slash, rest = name.partition("/")
    if custom:
        return custom, rest if slash and prefix == custom else name
    if slash:
        return prefix, rest
    return next(provider for pattern, provider in BARE_NAMES if pattern.match(name)), name


def unserved(prefix: str) -> str | None:
    """Why models of that prefix cannot be served; None where they can."""
    if prefix in PROVIDERS:
        return None
    for names, advice in UNSERVED:
        if prefix in names.split():
            return advice
    return "LiteLLM has no such provider; write openai/MODEL with the server's address as api_base"


def written_by_provider(prefix: str, model: str) -> str:
    """A model's name as its provider has it, where LiteLLM's differs."""
    rewrite = PROVIDERS[prefix].rewrite
    match = re.fullmatch(rewrite[0], model) if rewrite else None
    return match.expand(rewrite[1]) if match and rewrite else model


def integration_names(base: str, address: str | None) -> Iterator[str]:
    """Names for an integration, best first: `vllm`, or `vllm-gpu-1` for the one at http://gpu-1.internal:8000.

    `address` may be a reference; then the variable's name is what there is to say.
    """
    place = _place(base, address) if address else []
    names = [f"{base}-{each}" for each in place] or [base]
    yield from names
    number = 2
    while True:
        yield f"{names[0]}-{number}"
        number += 1


def _place(base: str, address: str) -> list[str]:
    """How to tell servers apart: by the first word of the host's name, then with the port."""
    name = variable(address) or variable(address.partition("}")[0] + "}")
    if name:
        word = _ADDRESS_ENDING.sub("", name).lower().replace("_", "-")
        plain = base.replace("_", "-")
        return [word.removeprefix(f"{plain}-")] if word != plain else []
    host, port = _host_and_port(address)
    word = host if _is_number(host) else host.partition(".")[0]
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", word).strip("-.").lower()
    if not plain:
        return []
    return [plain, *([f"{plain}-{port}"] if port else [])]


def _host_and_port(address: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(address)
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
