"""The text that Prometheus reads, of what was counted and of what is seen: in its own format, or as OpenMetrics.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    https://prometheus.io/docs/specs/om/open_metrics_spec/

A platform with a hundred models has ten thousand lines. prometheus_client takes 11 µs for each, in which the event
loop waits for the interpreter; here it is less than one. Its parsers hold both formats in the tests.
"""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from app.integrations.monitoring.prometheus.families import FAMILIES, Family
from app.integrations.monitoring.prometheus.shelf import Numbers
from app.integrations.monitoring.prometheus.sight import Seen

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Series = tuple[tuple[str, ...], list[float]]
"""The values of its labels, and its numbers."""


def write(numbers: Numbers, seen: Iterable[Seen], accept: str) -> tuple[str, bytes]:
    """The content type and the text, in whichever form `accept` asks for."""
    series: dict[str, list[Series]] = {name: [] for name in FAMILIES}
    for (name, labels), values in numbers.items():
        series[name].append((labels, values))
    for each in seen:
        series[each.family].append((each.labels, [each.value]))
    kind = negotiated(accept)
    lines = [line for name, found in series.items() if found for line in _lines(FAMILIES[name], found, kind)]
    end = "# EOF\n" if kind is OPEN_METRICS else ""
    return kind, ("".join(lines) + end).encode()


def negotiated(accept: str) -> str:
    """OpenMetrics only where it is asked for by its name, in the version that is written here."""
    for wanted in accept.split(","):
        media, *parameters = (part.strip() for part in wanted.split(";"))
        versions = [part for part in parameters if part.startswith("version=")]
        if media == "application/openmetrics-text" and versions in ([], ["version=1.0.0"]):
            return OPEN_METRICS
    return PLAIN


def _lines(family: Family, series: list[Series], kind: str) -> Iterator[str]:
    """OpenMetrics calls a counter by its name without the _total of its samples."""
    name = family.name.removesuffix("_total") if kind is OPEN_METRICS else family.name
    yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
    ends = [*(str(bound) for bound in family.bounds), "+Inf"]
    for values, numbers in sorted(series):
        labels = ",".join(
            f'{label}="{value.translate(_ESCAPED)}"' for label, value in zip(family.labels, values, strict=True)
        )
        braced = f"{{{labels}}}" if labels else ""
        if family.kind != "histogram":
            yield f"{family.name}{braced} {numbers[0]!r}\n"
            continue
        total, *counts = numbers
        bucket = f'{name}_bucket{{{labels}{"," if labels else ""}le="'
        counted = list(accumulate(counts))
        yield "".join(f'{bucket}{end}"}} {count!r}\n' for end, count in zip(ends, counted, strict=True))
        yield f"{name}_count{braced} {counted[-1]!r}\n{name}_sum{braced} {total!r}\n"
