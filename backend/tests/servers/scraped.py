"""A text of metrics, read as Prometheus reads it: its own parser checks the form of every line."""

from collections.abc import Mapping

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain


class Scraped:
    """`scraped("name", label="value")`: the sum over all series that have these labels."""

    def __init__(self, text: str, kind: str = "text/plain") -> None:
        parse = openmetrics if kind.startswith("application/openmetrics-text") else plain
        self.samples = [sample for family in parse(text) for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        return sum(value for _, value in self._found(name, labels))

    def values(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """By the value of one label."""
        found: dict[str, float] = {}
        for each, value in self._found(name, labels):
            found[each[label]] = found.get(each[label], 0.0) + value
        return found

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}

    @property
    def series(self) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        return {(sample.name, frozenset(sample.labels.items())) for sample in self.samples}

    def _found(self, name: str, labels: Mapping[str, str]) -> list[tuple[dict[str, str], float]]:
        return [
            (sample.labels, sample.value)
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
