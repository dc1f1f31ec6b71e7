"""The text that Prometheus reads, of the numbers that were counted and of what is seen."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app.integrations.monitoring.prometheus.families import FAMILIES, Family
from app.integrations.monitoring.prometheus.shelf import Numbers
from app.integrations.monitoring.prometheus.sight import Seen


def write(numbers: Numbers, seen: Iterable[Seen], accept: str) -> tuple[str, bytes]:
    """The content type and the text, in whichever form `accept` asks for."""
    encode, kind = choose_encoder(accept)
    return kind, encode(_Found(numbers, seen))


class _Found(Collector):
    def __init__(self, numbers: Numbers, seen: Iterable[Seen]) -> None:
        self._series: dict[str, list[tuple[tuple[str, ...], list[float]]]] = {name: [] for name in FAMILIES}
        for (name, labels), values in numbers.items():
            self._series[name].append((labels, values))
        for each in seen:
            self._series[each.family].append((each.labels, [each.value]))

    def collect(self) -> Iterator[Metric]:
        for name, family in FAMILIES.items():
            if series := self._series[name]:
                yield _metric(family, sorted(series))


def _metric(family: Family, series: list[tuple[tuple[str, ...], list[float]]]) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        ends = [*(str(bound) for bound in family.bounds), "+Inf"]
        for labels, (total, *counts) in series:
            histogram.add_metric(labels, list(zip(ends, accumulate(counts), strict=True)), total)
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, (value,) in series:
        metric.add_metric(labels, value)
    return metric
