"""Whether the platform may run with a configuration, and what only the integrations themselves can tell of it:
their own settings, and whom it names.

Their classes are imported, but nothing is started.
"""

import asyncio
from collections.abc import Callable, Container, Iterator, Sequence
from operator import attrgetter

from pydantic import ValidationError

from app.core.integration_framework import IntegrationConfig, IntegrationError, Registry
from app.enabled import FRONT_ENDS, integration_configs
from app.inference.globs import glob
from app.integrations.builtin import BUILTIN
from app.settings import ConfigError, LoadedSettings, Problem, Settings, check_exposure
from app.settings.names import mentioned
from app.settings.origins import FieldPath
from app.settings.problems import as_written, close_to, problem_at, problems_of, suggestion

IMPORT_SECONDS = 30.0

_FIXED = (
    "log_format",
    "data_dir",
    "server.host",
    "server.port",
    "server.workers",
    "auth.key_secret",
    "limits.header_seconds",
    "limits.websocket_bytes",
    "limits.processes",
    "usage.enabled",
)
"""Settings that a reload can't change."""


def accepted(load: Callable[[], LoadedSettings], listening: str | None = None) -> LoadedSettings:
    """The settings, if the platform may run with them. `listening`: the host where it does already. Raises
    ConfigError.
    """
    loaded = load()
    check_exposure(loaded.settings, listening)
    return loaded


def needs_restart(new: Settings, began_with: Settings) -> list[str]:
    """Those that differ and yet stay as they were."""
    return [name for name in _FIXED if attrgetter(name)(new) != attrgetter(name)(began_with)]


async def problems_with(loaded: LoadedSettings, running: LoadedSettings | None = None) -> list[Problem]:
    """Everything that would keep the platform, or a part of it, from working with these settings.

    With `running`, only what would be new: what is wrong already is no reason to refuse a change of something
    else, and an integration that hangs in its import is not imported again.
    """
    try:
        check_exposure(loaded.settings)
        problems: list[Problem] = []
    except ConfigError as error:
        problems = list(error.problems)
    configs = integration_configs(loaded.settings)
    problems += _strangers(loaded, configs)
    before: list[IntegrationConfig] = []
    if running is not None:
        before = integration_configs(running.settings)
        known = {(each.field, each.message) for each in _strangers(running, before)}
        problems = [each for each in problems if (each.field, each.message) not in known]
    return problems + await _faults(loaded, [each for each in configs if each.enabled and each not in before])


def _strangers(loaded: LoadedSettings, configs: Sequence[IntegrationConfig]) -> Iterator[Problem]:
    """Names of integrations that are none, and a store that is none."""
    settings, known = loaded.settings, [config.name for config in configs]
    for name, model in settings.models.items():
        for index, target in enumerate(model.targets):
            if target.integration not in known:
                path = as_written(("models", name, "targets", index, "target"), loaded.layer)
                yield _stranger(loaded, path, target.integration, known)
    for name, integration in settings.integrations.items():
        for dependency in integration.dependencies:
            if dependency not in known:
                yield _stranger(loaded, ("integrations", name, "dependencies"), dependency, known)
    yield from _missing_stores(loaded, {each.effective_kind for each in configs if each.enabled})


def doubts(loaded: LoadedSettings) -> Iterator[Problem]:
    """Names of models that may lead nowhere. Only integrations that run can tell (app.model_names)."""
    settings = loaded.settings
    enabled = {config.name: config.enabled for config in integration_configs(settings)}
    own = [*settings.models, *settings.aliases]
    for alias in settings.aliases:
        if alias in settings.models:
            yield problem_at(loaded.layer, ("aliases", alias), "is hidden by the model of the same name")
    for path, name in mentioned(settings):
        integration = name.partition("/")[0]
        if any(glob(each).fullmatch(name) for each in own):
            continue
        if not enabled.get(integration, True):
            yield problem_at(loaded.layer, path, f"the integration {integration!r} is disabled")
        elif integration not in enabled and (close := close_to(name, own, cutoff=0.8)):
            message = f"no model {name!r} is configured: an integration must have it; did you mean {close!r}?"
            yield problem_at(loaded.layer, path, message)


def _missing_stores(loaded: LoadedSettings, enabled: Container[str]) -> Iterator[Problem]:
    """`enabled`: kinds of integrations."""
    wanted = {"cache": loaded.settings.cache.store, "idempotency": loaded.settings.idempotency.store}
    for section, kind in wanted.items():
        if kind in ("redis", "database") and kind not in enabled:
            path: FieldPath = (section, "store")
            message = f"no integration of the kind '{kind}' is enabled"
            hint = ": set REDIS_URL" if kind == "redis" else ""
            yield problem_at(loaded.layer, path, message + hint)


def _stranger(loaded: LoadedSettings, path: FieldPath, name: str, known: Sequence[str]) -> Problem:
    return problem_at(loaded.layer, path, f"no integration {name!r}{suggestion(name, known, 'integrations')}")


async def _faults(loaded: LoadedSettings, configs: Sequence[IntegrationConfig]) -> list[Problem]:
    registry = Registry({**BUILTIN, **FRONT_ENDS})
    found = await asyncio.gather(*(_faults_of(loaded, config, registry) for config in configs))
    return [problem for problems in found for problem in problems]


async def _faults_of(loaded: LoadedSettings, config: IntegrationConfig, registry: Registry) -> list[Problem]:
    path: FieldPath = ("integrations", config.name)
    try:
        async with asyncio.timeout(IMPORT_SECONDS):
            integration = await registry.load(config.effective_kind)
        integration.settings_model.model_validate(config.settings)
        integration(config)
    except ValidationError as error:
        return problems_of(error, loaded.layer, integration.settings_model, (*path, "settings"))
    except TimeoutError:
        return [problem_at(loaded.layer, path, f"its import took longer than {IMPORT_SECONDS:g} s")]
    except IntegrationError as error:
        return [problem_at(loaded.layer, path, str(error))]
    return []
