"""The histograms of the conventions for generative AI, counted as calls end and told to the collector at
intervals.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/ The SDK's own instruments take ten times as long
for each value, most of it to find out again where it belongs.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator

import msgspec
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from app.domain.calls import EndedCall
from app.integrations.kit.gen_ai import provider_name

OTHER = "other"


class Family(msgspec.Struct, frozen=True):
    name: str
    unit: str
    description: str
    bounds: tuple[float, ...]


TOKENS = Family(
    "gen_ai.client.token.usage",
    "{token}",
    "Number of input and output tokens used.",
    tuple(4.0**power for power in range(14)),
)
DURATION = Family(
    "gen_ai.server.request.duration",
    "s",
    "Time to the end of an answer.",
    tuple(0.01 * 2**power for power in range(14)),
)
FIRST_TOKEN = Family(
    "gen_ai.server.time_to_first_token",
    "s",
    "Time to the first piece of a streamed answer.",
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
PER_TOKEN = Family(
    "gen_ai.server.time_per_output_token",
    "s",
    "Time for each token after the first.",
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
FAMILIES = (TOKENS, DURATION, FIRST_TOKEN, PER_TOKEN)


class Series:
    """One histogram of one set of attributes."""

    __slots__ = ("_bounds", "attributes", "counts", "least", "most", "sum")

    def __init__(self, bounds: tuple[float, ...], attributes: dict[str, str]) -> None:
        self._bounds = bounds
        self.attributes = attributes
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.least = float("inf")
        self.most = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)


_Sort = tuple[Series, Series, Series, Series, Series]


class Figures:
    """`kind_of`: the kind of an integration by its name. `knows`: whether an integration has a model."""

    def __init__(
        self,
        resource: Resource,
        scope: InstrumentationScope,
        kind_of: Callable[[str], str],
        knows: Callable[[str, str], bool],
    ) -> None:
        self._resource = resource
        self._scope = scope
        self._kind_of = kind_of
        self._knows = knows
        self._began = time.time_ns()
        self._sorts: dict[tuple[str, str, str, str], _Sort] = {}
        self._series: dict[str, list[Series]] = {family.name: [] for family in FAMILIES}

    def add(self, call: EndedCall) -> None:
        """Nothing, where no provider was asked."""
        if call.integration is None or call.target_model is None or call.cached is not None:
            return
        sort = call.operation, call.integration, call.target_model, call.outcome
        duration, first, rest, taken, made = self._sorts.get(sort) or self._new(*sort)
        duration.add(call.seconds)
        usage = call.usage
        if usage is not None:
            taken.add(usage.input_tokens)
            made.add(usage.output_tokens)
        if call.outcome == "ok" and call.stream and call.first_event_seconds is not None:
            first.add(call.first_event_seconds)
            if usage is not None and usage.output_tokens > 1:
                rest.add((call.seconds - call.first_event_seconds) / (usage.output_tokens - 1))

    def _new(self, operation: str, integration: str, model: str, outcome: str) -> _Sort:
        """Of models that nobody offers the figures are kept together: callers can make up names without end."""
        name = model if self._knows(integration, model) else OTHER
        sort = operation, integration, name, outcome
        if (known := self._sorts.get(sort)) is not None:
            return known
        common = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": provider_name(self._kind_of(integration)),
            "gen_ai.request.model": name,
        }
        told = common if outcome == "ok" else {**common, "error.type": outcome}
        made = self._sorts[sort] = (
            self._keep(DURATION, told),
            self._keep(FIRST_TOKEN, common),
            self._keep(PER_TOKEN, common),
            self._keep(TOKENS, {**told, "gen_ai.token.type": "input"}),
            self._keep(TOKENS, {**told, "gen_ai.token.type": "output"}),
        )
        return made

    def _keep(self, family: Family, attributes: dict[str, str]) -> Series:
        known = self._series[family.name]
        for series in known:
            if series.attributes == attributes:
                return series
        known.append(Series(family.bounds, attributes))
        return known[-1]

    def told(self) -> MetricsData:
        """All since the start. From any thread."""
        metrics = [
            Metric(
                family.name,
                family.description,
                family.unit,
                Histogram(list(self._points(family)), AggregationTemporality.CUMULATIVE),
            )
            for family in FAMILIES
        ]
        told = [metric for metric in metrics if metric.data.data_points]
        scope = ScopeMetrics(self._scope, told, self._scope.schema_url or "")
        return MetricsData([ResourceMetrics(self._resource, [scope], self._resource.schema_url)])

    def _points(self, family: Family) -> Iterator[HistogramDataPoint]:
        now = time.time_ns()
        for series in list(self._series[family.name]):
            counts = list(series.counts)
            if count := sum(counts):
                yield HistogramDataPoint(
                    attributes=series.attributes,
                    start_time_unix_nano=self._began,
                    time_unix_nano=now,
                    count=count,
                    sum=series.sum,
                    bucket_counts=counts,
                    explicit_bounds=family.bounds,
                    min=series.least,
                    max=series.most,
                )
