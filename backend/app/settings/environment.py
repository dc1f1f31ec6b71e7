"""The environment as a layer of settings. It is given as a mapping: nothing here looks at the process's own.

Every setting has a long name, LLM_PLATFORM_ and its path with `__` between the parts; a few have a short one too.
An empty variable counts as unset.
"""

import difflib
from collections.abc import Mapping

from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.settings.origins import FieldPath, Layer, Origin, nodes
from app.settings.problems import Problem, suggestion
from app.settings.schema import Settings

ENVIRONMENT_PREFIX = "LLM_PLATFORM_"
NESTING = "__"

SHORT_NAMES: Mapping[str, FieldPath] = {
    "LOG_LEVEL": ("log_level",),
    "LOG_FORMAT": ("log_format",),
    "LLM_PLATFORM_HOST": ("server", "host"),
    "LLM_PLATFORM_PORT": ("server", "port"),
    "LLM_PLATFORM_GRPC_PORT": ("server", "grpc_port"),
    "LLM_PLATFORM_WORKERS": ("server", "workers"),
    "LLM_PLATFORM_API_KEY": ("server", "api_key"),
    "LLM_PLATFORM_KEY_SECRET": ("auth", "key_secret"),
    "LLM_PLATFORM_METRICS_TOKEN": ("auth", "metrics_token"),
    "ALERTMANAGER_URL": ("integrations", "alertmanager", "settings", "url"),
    "PROMETHEUS_ENABLED": ("integrations", "prometheus", "enabled"),
    "OPENAI_API_ENABLED": ("front_ends", "openai_api"),
    "ANTHROPIC_API_ENABLED": ("front_ends", "anthropic_api"),
    "GRAPHQL_ENABLED": ("front_ends", "graphql"),
    "GRPC_ENABLED": ("front_ends", "grpc"),
    "WEBSOCKET_ENABLED": ("front_ends", "websocket"),
    "GRAFANA_ENABLED": ("integrations", "grafana", "enabled"),
    "GRAFANA_URL": ("integrations", "grafana", "settings", "url"),
    "GRAFANA_TOKEN": ("integrations", "grafana", "settings", "api_key"),
    "OPENTELEMETRY_ENABLED": ("integrations", "opentelemetry", "enabled"),
    "OLLAMA_BASE_URL": ("integrations", "ollama", "settings", "base_url"),
    "HF_TOKEN": ("integrations", "huggingface_hub", "settings", "api_key"),
    "HUGGINGFACE_TOKEN": ("integrations", "huggingface_hub", "settings", "api_key"),
    "HF_ENDPOINT": ("integrations", "huggingface_hub", "settings", "hub_url"),
    "HF_HUB_OFFLINE": ("integrations", "huggingface_hub", "settings", "offline"),
    "LLAMA_STACK_BASE_URL": ("integrations", "llama_stack", "settings", "base_url"),
    "ANTHROPIC_API_KEY": ("integrations", "anthropic", "settings", "api_key"),
    "GEMINI_API_KEY": ("integrations", "gemini", "settings", "api_key"),
    "DATABASE_URL": ("integrations", "database", "settings", "url"),
    "REDIS_URL": ("integrations", "redis", "settings", "url"),
    "CUSTOM_MODELS_DIR": ("integrations", "custom_models", "settings", "directory"),
    **{
        vendor.api_key_env: ("integrations", vendor.kind, "settings", "api_key")
        for vendor in CATALOGUE.values()
        if vendor.api_key_env
    },
    **{
        vendor.base_url_env: ("integrations", vendor.kind, "settings", "base_url")
        for vendor in CATALOGUE.values()
        if vendor.base_url_env
    },
}
"""In lower case. A provider whose key is present becomes an integration by that alone. Of two names for one
setting the later wins."""

CONFIG_FILE = "LLM_PLATFORM_CONFIG"
NOT_SETTINGS = frozenset({CONFIG_FILE, "LLM_PLATFORM_URL"})


def long_name(path: FieldPath) -> str:
    """`("server", "port")` is LLM_PLATFORM_SERVER__PORT."""
    return ENVIRONMENT_PREFIX + NESTING.join(str(part) for part in path).upper()


def read_environment(environ: Mapping[str, str], problems: list[Problem]) -> Layer:
    """What `environ` sets; the long name wins over a short one. A nested name that is no setting is added to
    `problems`.
    """
    short = {name: path for name, path in SHORT_NAMES.items() if _is_set(name, environ)}
    long = {name: path for name in environ if (path := _path(name)) and _is_set(name, environ)}
    strange = {name: path for name, path in long.items() if path[0] not in Settings.model_fields}
    problems += [_unknown(name, str(path[0])) for name, path in strange.items()]
    names = {path: name for name, path in [*short.items(), *long.items()] if name not in strange}
    if not names:
        return Layer({}, {})
    # Imported where it is needed: pydantic-settings takes a tenth of a second.
    from app.settings.nested import read_nested

    values = {long_name(path).lower(): environ[name] for path, name in names.items()}
    tree = read_nested(values, prefix=ENVIRONMENT_PREFIX, delimiter=NESTING)
    origins: dict[FieldPath, Origin] = {}
    for path in sorted(names, key=len):
        origins.update({each: Origin("environment", names[path]) for each in nodes(tree, path)})
    return Layer(tree, origins)


def _is_set(name: str, environ: Mapping[str, str]) -> bool:
    """Beside a service called llm-platform, Kubernetes sets LLM_PLATFORM_PORT=tcp://10.0.0.1:8000: not for us."""
    value = environ.get(name, "")
    return value != "" and not (name == "LLM_PLATFORM_PORT" and value.startswith(("tcp://", "udp://")))


def overlooked(environ: Mapping[str, str]) -> list[str]:
    """A warning for each LLM_PLATFORM_ name that means nothing but looks like a mistyped one.

    Others are let be: beside a service of that name, Kubernetes sets LLM_PLATFORM_SERVICE_HOST and more.
    """
    known = [*SHORT_NAMES, *NOT_SETTINGS, *(long_name((field,)) for field in Settings.model_fields)]
    warnings = []
    for name in environ:
        if name.startswith(ENVIRONMENT_PREFIX) and NESTING not in name and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.87)
            warnings += [f"{name} is not a setting; did you mean {close[0]}?"] if close else []
    return warnings


def _path(name: str) -> FieldPath:
    """The path that a long name means; () when it is none."""
    if not name.startswith(ENVIRONMENT_PREFIX) or name in SHORT_NAMES or name in NOT_SETTINGS:
        return ()
    parts = tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split(NESTING))
    nested = len(parts) > 1
    return parts if nested or parts[0] in Settings.model_fields else ()


def _unknown(name: str, part: str) -> Problem:
    return Problem(name, "", f"unknown field {part!r}" + suggestion(part, tuple(Settings.model_fields)))
