"""What the configuration says of models: which names there are, where each leads, and under which policy."""

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.domain.prices import Price
from app.inference.globs import glob, telling
from app.inference.policy import ModelPolicy, RoutingPolicy


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A target as configured: `model` at `integration`. A `*` in it takes what the name's `*` stood for.

    `slots`: answers that it may write at the same time. `rpm`, `tpm`: requests and tokens a minute.
    """

    integration: str
    model: str
    priority: int = 1
    weight: float = 1.0
    slots: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    context_window: int | None = None


class ConfiguredModel(msgspec.Struct, frozen=True, kw_only=True):
    routes: Sequence[Route]
    policy: ModelPolicy = ModelPolicy()


def no_price(integration: str, kind: str, model: str) -> Price | None:
    return None


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `aliases`: further names of models. `price` tells what a model at an integration costs, by the
    integration's name and kind. `own`: kinds of integrations that run on machines of one's own.
    """

    models: Mapping[str, ConfiguredModel] = {}
    aliases: Mapping[str, str] = {}
    policy: RoutingPolicy = RoutingPolicy()
    price: Callable[[str, str, str], Price | None] = no_price
    own: frozenset[str] = frozenset()

    @property
    def longest(self) -> float:
        """Seconds that a request may take."""
        policies = (self.policy.default, *(model.policy for model in self.models.values()))
        return max(policy.timeouts.total for policy in policies)


class Pattern(msgspec.Struct, frozen=True):
    """A configured name with one or more `*`, such as `gpt-*`."""

    name: str
    model: ConfiguredModel
    regex: re.Pattern[str]

    def routes(self, name: str) -> Sequence[Route] | None:
        """Where `name` leads, if it is meant."""
        match = self.regex.fullmatch(name)
        if match is None:
            return None
        stood_for = match.groups()
        return [
            msgspec.structs.replace(route, model=_filled(route.model, stood_for)) for route in self.model.routes
        ]


def patterns(models: Mapping[str, ConfiguredModel]) -> tuple[Pattern, ...]:
    """The names with a `*`; those that say more come first."""
    found = [Pattern(name, model, glob(name)) for name, model in models.items() if "*" in name]
    return tuple(sorted(found, key=lambda each: telling(each.name), reverse=True))


def _filled(model: str, stood_for: Sequence[str]) -> str:
    """Each `*` by what the name's `*` of the same place stood for; the last one serves all that follow."""
    first, *rest = model.split("*")
    filled = first
    for at, part in enumerate(rest):
        filled += stood_for[min(at, len(stood_for) - 1)] + part
    return filled
