"""A LiteLLM document as settings of ours: the parts, each with a module of its own, put together."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from app.settings.litellm.connections import Connections
from app.settings.litellm.deployments import ModelList
from app.settings.litellm.draft import Draft
from app.settings.litellm.fallbacks import Fallbacks
from app.settings.litellm.includes import Read, with_includes
from app.settings.litellm.integrations import Integrations
from app.settings.litellm.models import Models
from app.settings.litellm.routing import Routing
from app.settings.litellm.sections import CACHE, GENERAL, LITELLM, ROUTER, TOP
from app.settings.litellm.source import Given, Note, Source, from_environment
from app.settings.origins import FieldPath, Layer, Origin
from app.settings.problems import Problem, by_place
from app.settings.schema import Settings

PORT = 4000
"""LiteLLM's own, so that whoever called it finds us."""

_EVERYWHERE = "0.0.0.0"  # noqa: S104
_MASTER_KEY = "LITELLM_MASTER_KEY"
_OUR_KEY = "LLM_PLATFORM_API_KEY"


class Translation(NamedTuple):
    """`variables`: what the file itself sets in the environment."""

    layer: Layer
    notes: tuple[Note, ...]
    variables: Mapping[str, str]


def translate(
    layer: Layer, path: Path, read: Read, environ: Mapping[str, str], problems: list[Problem]
) -> Translation:
    """`layer`: the document of the file at `path`; `read` reads those that it includes. What cannot be used is
    added to `problems`. Raises ConfigError for an include that cannot be read.
    """
    layer = with_includes(layer, path, read)
    variables = _variables(layer, environ)
    source = Source(layer, environ, variables, problems)
    draft = Draft()
    top = source.section((), TOP)
    for field in top.keys() & Settings.model_fields.keys():
        source.refuse((field,), "is a setting of the platform, and this is a LiteLLM file: write one or the other")
    litellm = source.section(("litellm_settings",), LITELLM)
    router = source.section(("router_settings",), ROUTER)
    source.section(("litellm_settings", "cache_params"), CACHE)
    by_default = Origin("file", f"{path} (LiteLLM's default)")
    _server(source, draft, by_default)
    _database(source)
    defaults = _defaults(litellm, router)
    routing = {**litellm, **router}
    strategy = routing.get("routing_strategy")
    models = Models(source, draft, defaults, shuffled=strategy is None or strategy.value == "simple-shuffle")
    integrations = Integrations(source, draft, Connections(source, defaults))
    models.add(ModelList(source, integrations).deployments())
    integrations.leave_the_rest(by_default)
    Fallbacks(source, draft, models, routing).translate()
    Routing(source, draft, models, routing).translate()
    notes = sorted(dict.fromkeys(source.notes), key=lambda note: by_place(note.problem))
    return Translation(draft.layer(), tuple(notes), variables)


def _variables(layer: Layer, environ: Mapping[str, str]) -> dict[str, str]:
    """LiteLLM puts them into its environment, over what is there."""
    found = layer.tree.get("environment_variables")
    pairs = found.items() if isinstance(found, dict) else ()
    return {name: str(value) for name, each in pairs if (value := from_environment(each, environ)) is not None}


def _defaults(litellm: Mapping[str, Given], router: Mapping[str, Given]) -> dict[str, Given]:
    """Parameters that hold where an entry does not have them, by their names in an entry."""
    wanted = {
        "timeout": litellm.get("request_timeout") or router.get("timeout"),
        "stream_timeout": router.get("stream_timeout"),
        "max_parallel_requests": router.get("default_max_parallel_requests"),
        "ssl_verify": litellm.get("ssl_verify"),
        "ssl_certificate": litellm.get("ssl_certificate"),
    }
    return {name: given for name, given in wanted.items() if given is not None}


def _server(source: Source, draft: Draft, by_default: Origin) -> None:
    """Where LiteLLM listens, if there is a key; without one the platform answers this machine only."""
    general = source.section(("general_settings",), GENERAL)
    key = general.get("master_key")
    if key is not None:
        draft.put(("server", "api_key"), key.value, source.origin(key.path))
    elif source.environ.get(_MASTER_KEY):
        draft.put(("server", "api_key"), f"${{{_MASTER_KEY}}}", Origin("environment", _MASTER_KEY))
    path: FieldPath = ("general_settings", "master_key")
    if key is None and not any(source.environ.get(each) for each in (_MASTER_KEY, _OUR_KEY)):
        source.tell(path, "there is none, so only this machine may call; LiteLLM lets everyone in", ("server",))
    else:
        draft.put(("server", "host"), _EVERYWHERE, by_default)
    draft.put(("server", "port"), PORT, by_default)
    draft.put(("integrations", "custom_models", "settings", "demo"), False, by_default)
    size = general.get("max_request_size_mb")
    if size is not None:
        draft.put(("limits", "body_bytes"), f"{size.value}MiB", source.origin(size.path))


def _database(source: Source) -> None:
    if source.environ.get("DATABASE_URL"):
        message = (
            "the platform keeps its stored responses there, and LiteLLM's migrations may drop what is not theirs: "
            "name a database of its own"
        )
        source.notes.append(Note(Problem("DATABASE_URL", "", message)))
