"""What a model costs: what the configuration says, else the table of public list prices beside this module.

The table is part of the package and never fetched. Local engines cost nothing that anybody bills, so they have no
price unless one is configured: by the token, or by the time that they take.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from app.domain.prices import Price
from app.inference.globs import glob, telling

_DATED = re.compile(r"-latest$|[-@](\d{3,4}|\d{8}|\d{4}-\d\d-\d\d)$")
"""What vendors put behind a model's name to say which issue of it."""


class PriceList:
    """`configured`: by `integration/model`, by model alone, or by a pattern with `*` of either."""

    def __init__(self, configured: Mapping[str, Price] | None = None) -> None:
        configured = configured or {}
        self._exact = {name: price for name, price in configured.items() if "*" not in name}
        patterns = sorted((name for name in configured if "*" in name), key=telling, reverse=True)
        self._patterns = [(glob(name), configured[name]) for name in patterns]

    def __call__(self, integration: str, kind: str, model: str) -> Price | None:
        """None where no price is known."""
        return self._configured(integration, model) or _listed(kind, model)

    def _configured(self, integration: str, model: str) -> Price | None:
        if not self._exact and not self._patterns:
            return None
        names = [name for each in _names(model) for name in (f"{integration}/{each}", each)]
        for name in names:
            if name in self._exact:
                return self._exact[name]
        return next((price for regex, price in self._patterns if any(map(regex.fullmatch, names))), None)


def _listed(kind: str, model: str) -> Price | None:
    table = _table().get(kind)
    return next((table[name] for name in _names(model) if name in table), None) if table else None


def _names(model: str) -> Iterator[str]:
    """The model's own name, then that of its family."""
    yield model
    family = _DATED.sub("", model)
    if family != model:
        yield family


@cache
def _table() -> Mapping[str, Mapping[str, Price]]:
    """kind → model → price, read when the first price is asked for."""
    table: dict[str, dict[str, Price]] = {}
    for line in files("app.inference").joinpath("prices.tsv").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, model, input, output, cached, written = line.split("\t")
            table.setdefault(kind, {})[model] = Price(
                input=float(input),
                output=float(output),
                cached_input=_number(cached),
                cache_write=_number(written),
            )
    return table


def _number(text: str) -> float | None:
    return None if text == "-" else float(text)
