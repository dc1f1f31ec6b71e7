"""What an entry's parameters say of its server: the kind of integration, and the settings of that."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.settings.litellm.providers import PROVIDERS, Provider
from app.settings.litellm.source import Given, Source
from app.settings.origins import FieldPath

Parameters = Mapping[str, Given]
Settings = dict[str, Given]

_VERSION = re.compile(r"/v\d+[a-z0-9]*/?$")
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


class Connection(NamedTuple):
    """`base`: what integrations like this are called. `address`: where it is, if that is not where all are."""

    kind: str
    base: str
    address: str | None
    settings: Settings


class Connections:
    """`defaults`: parameters that hold where an entry has none."""

    def __init__(self, source: Source, defaults: Parameters) -> None:
        self._source = source
        self._defaults = defaults

    def of(self, prefix: str, params: Parameters) -> Connection | None:
        """For an entry of a provider in PROVIDERS; None, and told why, where its server is not known."""
        provider = PROVIDERS[prefix]
        settings: Settings = {}
        kind = self._address(provider, prefix, params, settings)
        if kind is None:
            return None
        self._key(provider, kind, params, settings)
        self._headers(params, settings)
        self._rest(kind, params, settings)
        address = settings["base_url"].value if "base_url" in settings else None
        base = provider.name or (prefix if provider.base_url else provider.kind)
        return Connection(kind, base, None if address == provider.base_url else address, settings)

    def _address(self, provider: Provider, prefix: str, params: Parameters, settings: Settings) -> str | None:
        """The kind, once `settings` have the address."""
        model = params["model"].path
        base = params.get("api_base") or params.get("base_url") or self._variable(provider.bases, model)
        home = provider.base_url or _address_of(provider.kind)
        address = self._source.text(base) or ""
        settings.update({name: Given(value, model) for name, value in provider.settings.items()})
        if base is None or (home and _plain(self._source.resolved(address)) == _plain(home)):
            if provider.base_url:
                settings["base_url"] = Given(provider.base_url, model)
            elif not _has_address(provider.kind):
                self._source.tell(model, f"is left out: {prefix} needs the server's address as api_base")
                return None
            return provider.kind
        settings.pop("api_prefix", None)
        settings["base_url"] = Given(self._with_path(provider, prefix, base), base.path)
        kind = provider.elsewhere or provider.kind
        if kind == "openai_compatible" and prefix != "huggingface":
            self._exact_path(settings)
        return kind

    def _with_path(self, provider: Provider, prefix: str, base: Given) -> str:
        """An address that is a reference stays one."""
        address = str(base.value)
        seen = self._source.resolved(address)
        host = urlsplit(seen).hostname or ""
        at_azure = not host or host.endswith(_AZURE_HOSTS)
        if not provider.api_path or provider.api_path in seen or (prefix == "azure_ai" and not at_azure):
            return address
        if not at_azure:
            self._source.tell(
                base.path, f"is taken for a resource of Azure, which has its v1 API at {provider.api_path}"
            )
        return address + (provider.api_path[1:] if seen.endswith("/") else provider.api_path)

    def _exact_path(self, settings: Settings) -> None:
        """LiteLLM asks ADDRESS/chat/completions, whatever the address is."""
        address = settings["base_url"]
        seen = self._source.resolved(str(address.value))
        if not seen:
            self._source.tell(address.path, f"{address.value} is not set here, and taken to end in /v1")
        elif not _VERSION.search(urlsplit(seen).path):
            settings["api_prefix"] = Given("", address.path)

    def _key(self, provider: Provider, kind: str, params: Parameters, settings: Settings) -> None:
        key = params.get("api_key")
        if key is None or not key.value:
            key = self._variable(provider.keys, params["model"].path)
        if key is None and not provider.keyless and kind != provider.elsewhere:
            key = Given(f"${{{provider.keys[0]}}}", params["model"].path)
        if key is not None:
            settings["api_key"] = key

    def _headers(self, params: Parameters, settings: Settings) -> None:
        headers: dict[str, Any] = {}
        for name in ("headers", "extra_headers"):
            if name in params:
                headers.update({key: each.value for key, each in self._source.mapping(params[name].path).items()})
                settings["headers"] = Given(headers, params[name].path)
        if "organization" in params:
            headers["OpenAI-Organization"] = params["organization"].value
            settings.setdefault("headers", Given(headers, params["organization"].path))

    def _rest(self, kind: str, params: Parameters, settings: Settings) -> None:
        """Time limits, TLS, and what one kind alone has."""
        timeout = params.get("timeout") or params.get("request_timeout") or self._defaults.get("timeout")
        if timeout is not None:
            settings["load_timeout" if kind == "ollama" else "first_byte_timeout"] = timeout
        if kind == "ollama":
            settings.update({name: params[name] for name in ("num_ctx", "keep_alive") if name in params})
            return
        if "additional_drop_params" in params and kind in CATALOGUE:
            settings["drop_params"] = params["additional_drop_params"]
        if "ssl_certificate" in self._defaults:
            settings["cert_file"] = self._defaults["ssl_certificate"]
        verify = params.get("ssl_verify") or self._defaults.get("ssl_verify")
        if verify is not None and str(verify.value).lower() in {"true", "false"}:
            settings["verify"] = Given(self._source.switch(verify), verify.path)
        elif verify is not None:
            settings["ca_file"] = verify

    def _variable(self, names: tuple[str, ...], path: FieldPath) -> Given | None:
        """The first of the variables that is set, as a reference."""
        return next((Given(f"${{{name}}}", path) for name in names if self._source.environ.get(name)), None)


def _address_of(kind: str) -> str:
    vendor = CATALOGUE.get(kind)
    return vendor.base_url or "" if vendor else ""


def _has_address(kind: str) -> bool:
    """Whether that kind of integration knows where its server is."""
    return kind not in CATALOGUE or CATALOGUE[kind].base_url is not None


def _plain(address: str) -> str:
    return re.sub(r"(/v1)?/?$", "", address)
