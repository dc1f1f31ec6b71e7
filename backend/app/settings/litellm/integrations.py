"""The integrations that the entries of a LiteLLM file need. Entries with equal needs share one."""

import json

from app.settings.environment import SHORT_NAMES
from app.settings.litellm.connections import Connection, Connections, Parameters
from app.settings.litellm.draft import Draft
from app.settings.litellm.names import integration_names
from app.settings.litellm.source import Source, variable
from app.settings.origins import Origin

# What variables set of an integration, over anything that a file says: (integration, setting) and the variable.
_ENVIRONMENT = [
    ((str(path[1]), str(path[-1])), name) for name, path in SHORT_NAMES.items() if path[0] == "integrations"
]
_ALWAYS = frozenset({"custom_models", "database"})


class Integrations:
    def __init__(self, source: Source, draft: Draft, connections: Connections) -> None:
        self._source = source
        self._draft = draft
        self._connections = connections
        self._named: dict[str, str] = {}

    def connect(self, prefix: str, params: Parameters) -> str | None:
        """The name of the one for an entry of a provider in PROVIDERS; None, and told why, if none can be."""
        connection = self._connections.of(prefix, params)
        if connection is None:
            return None
        plain = {name: given.value for name, given in connection.settings.items()}
        needs = json.dumps([connection.kind, plain], sort_keys=True, default=str)
        if needs not in self._named:
            self._named[needs] = self._added(connection)
        return self._named[needs]

    def leave_the_rest(self, by_default: Origin) -> None:
        """A key in the environment opens nothing to callers of LiteLLM: what the file does not name stays off."""
        for (name, _), owner in _ENVIRONMENT:
            if self._source.environ.get(owner) and name not in {*self._named.values(), *_ALWAYS}:
                self._draft.put(("integrations", name, "enabled"), False, by_default)

    def _added(self, connection: Connection) -> str:
        name = next(
            each
            for each in integration_names(connection.base, connection.address)
            if each not in self._named.values() and self._is_free(each, connection)
        )
        settings = connection.settings.items()
        origin = self._source.origin(next((given.path for _, given in settings), ()))
        self._draft.put(("integrations", name), {}, origin)
        if connection.kind != name:
            self._draft.put(("integrations", name, "kind"), connection.kind, origin)
        for setting, given in settings:
            path = ("integrations", name, "settings", setting)
            self._draft.put(path, given.value, self._source.origin(given.path))
        return name

    def _is_free(self, name: str, connection: Connection) -> bool:
        """`openai` belongs to OPENAI_API_KEY: with another key in the file, the environment would overrule it."""
        for setting, given in connection.settings.items():
            owners = {owner for place, owner in _ENVIRONMENT if place == (name, setting)}
            if owners and (variable(given.value) not in owners or owners & self._source.variables.keys()):
                return False
        return True
