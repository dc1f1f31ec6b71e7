"""LiteLLM's model_list: each entry as a target of ours."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.settings.litellm.connections import Parameters
from app.settings.litellm.integrations import Integrations
from app.settings.litellm.names import provider_and_model, unserved, written_by_provider
from app.settings.litellm.parameters import ENTRY, MODEL_INFO, PARAMETERS
from app.settings.litellm.providers import PROVIDERS, Provider
from app.settings.litellm.sections import CREDENTIAL
from app.settings.litellm.source import Given, Source
from app.settings.origins import FieldPath

_MODEL = ("litellm_params", "model")
_LIMITS = ("rpm", "tpm")
_SERVED_MODES = frozenset({"chat", "completion", "embedding", "responses"})


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """`name`: the model that callers ask for. `target`: `integration/model`. `params` and `info`: as given."""

    name: Given
    target: str
    params: Parameters
    info: Mapping[str, Given]


class ModelList:
    def __init__(self, source: Source, integrations: Integrations) -> None:
        self._source = source
        self._integrations = integrations
        self._entries = source.sequence(("model_list",))
        self._credentials = self._read_credentials()

    def deployments(self) -> Iterator[Deployment]:
        for entry in self._entries:
            yield from self._of_entry(entry.path)

    def _of_entry(self, path: FieldPath) -> Iterator[Deployment]:
        name = self._source.settled((*path, "model_name"))
        about: FieldPath = ("models", str(name.value)) if name else ()
        fields = self._source.section(path, ENTRY, about)
        info = self._source.section((*path, "model_info"), MODEL_INFO, about)
        params = self._parameters(path, about)
        limits = {each: fields[each] for each in _LIMITS if each in fields}
        model = self._source.settled(params["model"].path if "model" in params else (*path, *_MODEL))
        if name is None or model is None:
            return
        if reason := self._unusable(info):
            self._source.tell(path, f"is left out: {reason}", about)
            return
        for each in self._organizations({**limits, **params, "model": model}):
            for of, target in self._targets(name, each, about):
                yield Deployment(name=of, target=target, params=each, info=info)

    def _parameters(self, path: FieldPath, about: FieldPath) -> Parameters:
        """What the entry says, over what its credential says."""
        own = self._source.section((*path, "litellm_params"), PARAMETERS, about)
        credential = own.get("litellm_credential_name")
        if credential is None:
            return own
        if str(credential.value) not in self._credentials:
            self._source.refuse(credential.path, f"credential_list has no credential {credential.value!r}")
        return {**self._credentials.get(str(credential.value), {}), **own}

    def _read_credentials(self) -> dict[str, Parameters]:
        found: dict[str, Parameters] = {}
        for each in self._source.sequence(("credential_list",)):
            name = self._source.section(each.path, CREDENTIAL).get("credential_name")
            values = self._source.section((*each.path, "credential_values"), PARAMETERS)
            found[str(name.value) if name else ""] = values
        return found

    def _unusable(self, info: Mapping[str, Given]) -> str | None:
        mode = info.get("mode")
        if mode and str(mode.value) not in _SERVED_MODES:
            return f"the platform has no endpoint for the mode {mode.value}"
        environment = self._source.environ.get("LITELLM_ENVIRONMENT")
        wanted = info.get("supported_environments")
        listed = [each.value for each in self._source.sequence(wanted.path)] if wanted else []
        if environment and wanted and environment not in listed:
            return f"supported_environments does not list {environment}"
        return None

    def _organizations(self, params: Parameters) -> Iterator[Parameters]:
        """One entry may stand for several organizations of OpenAI."""
        given = params.get("organization")
        if given is None or not isinstance(given.value, list):
            yield params
            return
        for each in self._source.sequence(given.path):
            yield {**params, "organization": each}

    def _targets(self, name: Given, params: Parameters, about: FieldPath) -> Iterator[tuple[Given, str]]:
        """Names and targets; mostly one."""
        model = params["model"]
        if model.value != "*" or "custom_llm_provider" in params:
            target = self._target(str(model.value), params, about)
            if target:
                yield name, target
        elif name.value == "*":
            yield from self._every_provider(name, params, about)
        else:
            self._source.tell(model.path, 'is left out: `model: "*"` goes with `model_name: "*"`', about)

    def _target(self, model: str, params: Parameters, about: FieldPath) -> str | None:
        prefix, rest = provider_and_model(model, self._source.text(params.get("custom_llm_provider")))
        reason = unserved(prefix)
        if reason:
            self._source.tell(params["model"].path, f"is left out, a model of {prefix}: {reason}", about)
            return None
        integration = self._integrations.connect(prefix, params)
        if integration is None:
            return None
        return f"{integration}/{written_by_provider(prefix, rest)}"

    def _every_provider(self, name: Given, params: Parameters, about: FieldPath) -> Iterator[tuple[Given, str]]:
        """`*` leads to each provider whose key is in the environment, by the prefix of the name that is asked for;
        a name without one is OpenAI's.
        """
        listed = [self._source.find((*entry.path, "model_name")) for entry in self._entries]
        found = False
        for prefix, provider in PROVIDERS.items():
            pattern = f"{prefix}/*"
            if pattern in listed or not self._in_environment(provider):
                continue
            integration = self._integrations.connect(prefix, params)
            if integration is None:
                continue
            found = True
            yield Given(pattern, name.path), f"{integration}/*"
            if prefix == "openai":
                yield name, f"{integration}/*"
        if not found:
            self._source.tell(name.path, "is left out: no provider's key is in the environment", about)

    def _in_environment(self, provider: Provider) -> bool:
        names = provider.bases if provider.keyless or provider.api_path else provider.keys
        return any(self._source.environ.get(each) for each in names)
