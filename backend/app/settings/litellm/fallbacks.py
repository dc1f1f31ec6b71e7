"""Names of models outside of LiteLLM's model_list: aliases, and the models that others fall back to."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from app.settings.litellm.draft import Draft
from app.settings.litellm.models import Models
from app.settings.litellm.source import Given, Source
from app.settings.origins import FieldPath

_FALLBACKS: Mapping[str, str] = {
    "fallbacks": "fallbacks",
    "context_window_fallbacks": "context_fallbacks",
    "content_policy_fallbacks": "content_fallbacks",
}


class Fallbacks:
    """`settings`: litellm_settings with router_settings over them."""

    def __init__(self, source: Source, draft: Draft, models: Models, settings: Mapping[str, Given]) -> None:
        self._source = source
        self._draft = draft
        self._models = models
        self._settings = settings
        self._aliases: dict[str, str] = {}

    def translate(self) -> None:
        self._group_aliases()
        for setting, field in _FALLBACKS.items():
            given = self._settings.get(setting)
            for entry in self._source.sequence(given.path) if given else ():
                for model, others in self._source.mapping(entry.path).items():
                    self._fall_back(Given(model, others.path), field, self._names(others))
        default = self._settings.get("default_fallbacks")
        if default is not None:
            self._put(("routing", "fallbacks"), self._names(default), default)

    def _put(self, path: FieldPath, value: object, given: Given) -> None:
        self._draft.put(path, value, self._source.origin(given.path))

    def _group_aliases(self) -> None:
        given = self._settings.get("model_group_alias")
        for alias, meant in self._source.mapping(given.path).items() if given else ():
            target = self._source.given((*meant.path, "model")) or meant
            if not self._is_model(target):
                continue
            self._aliases[alias] = self._aliases.get(target.value, target.value)
            self._put(("aliases", alias), self._aliases[alias], target)
            if self._source.switch(self._source.given((*meant.path, "hidden"))):
                message = "hidden is left out: an alias is a name like others"
                self._source.tell(meant.path, message, ("aliases", alias))

    def _fall_back(self, model: Given, field: str, names: list[str]) -> None:
        if model.value == "*" and field == "fallbacks":
            self._put(("routing", "fallbacks"), names, model)
            return
        for name in self._models.exact([model]) if names else ():
            self._models.set(name, field, names, model.path)

    def _names(self, given: Given) -> list[str]:
        """The models among those that are named. What else stands there is told."""
        return [each.value for each in self._source.sequence(given.path) if self._is_model(each)]

    def _is_model(self, given: Given) -> bool:
        """A name of the list, a further one, one that a pattern of the list takes, or an entry's own id."""
        name = given.value
        if not isinstance(name, str):
            self._source.tell(given.path, "is left out: only the name of a model can stand here")
            return False
        if name in self._aliases or any(fnmatchcase(name, each) for each in self._models.names):
            return True
        return self._models.add_by_id(given)
