"""The text of the metrics: read back by the parsers of prometheus_client, the strict one of OpenMetrics too."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.exposition import OPEN_METRICS, PLAIN, negotiated, write
from app.integrations.monitoring.prometheus.families import FAMILIES
from app.integrations.monitoring.prometheus.shelf import Shelf
from app.integrations.monitoring.prometheus.sight import Seen, seen

ODD = ["plain", 'a "quoted" one', "back\\slash", "two\nlines", "déjà vu ☃", "", "{a=b,c}", "\\n"]
VALUES = {"gauge": {0.1 + 0.2}, "counter": {3.0}, "histogram": {1.0, 0.05}}


def everything() -> tuple[Shelf, list[Seen]]:
    """Something of each family."""
    shelf, looked = Shelf(), []
    for family in FAMILIES.values():
        labels = ["x"] * len(family.labels)
        if family.kind == "gauge":
            looked.append(seen(family, 0.1 + 0.2, *labels))
        elif family.kind == "counter":
            shelf.add(family, 3.0, *labels)
        else:
            shelf.observe(family, 0.05, *labels)
    return shelf, looked


@pytest.mark.parametrize(("accept", "parse"), [(PLAIN, plain), (OPEN_METRICS, open_metrics)])
def test_each_family_is_read_back_as_it_was(accept: str, parse: object) -> None:
    assert callable(parse)
    shelf, looked = everything()
    kind, text = write(shelf.numbers(), looked, accept)
    assert kind == accept
    found = {family.name: family for family in parse(text.decode())}
    for name, family in FAMILIES.items():
        told = found[name.removesuffix("_total")]
        assert (told.type, told.documentation) == (family.kind, family.help), name
        assert {frozenset(sample.labels) - {"le"} for sample in told.samples} == {frozenset(family.labels)}
        values = {sample.value for sample in told.samples if not sample.name.endswith("_bucket")}
        assert values == VALUES[family.kind], name
    assert len(found) == len(FAMILIES)


def test_the_buckets_of_a_histogram_hold_those_below_them() -> None:
    shelf = Shelf()
    for seconds in (0.004, 0.005, 0.3, 99.0):
        shelf.observe(families.QUEUE_WAIT, seconds, "p")
    (found,) = open_metrics(write(shelf.numbers(), [], OPEN_METRICS)[1].decode())
    counts = {sample.labels["le"]: sample.value for sample in found.samples if "le" in sample.labels}
    assert counts["0.005"] == 2
    assert counts["0.25"] == 2
    assert counts["0.5"] == 3
    assert (counts["60.0"], counts["+Inf"]) == (3, 4)


@pytest.mark.parametrize(("accept", "parse"), [(PLAIN, plain), (OPEN_METRICS, open_metrics)])
def test_no_value_of_a_label_forges_a_line(accept: str, parse: object) -> None:
    """S16."""
    assert callable(parse)
    shelf = Shelf()
    for odd in ODD:
        shelf.add(families.COST, 1.0, odd, odd, odd)
    (found,) = parse(write(shelf.numbers(), [], accept)[1].decode())
    assert sorted(sample.labels["tenant"] for sample in found.samples) == sorted(ODD)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/html, application/xhtml+xml", PLAIN),
        ("text/plain;version=0.0.4;q=0.3,*/*;q=0.2", PLAIN),
        ("application/openmetrics-text", OPEN_METRICS),
        ("application/openmetrics-text;version=0.0.1,text/plain", PLAIN),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3", OPEN_METRICS),
        ("text/plain, application/openmetrics-text; version=1.0.0; escaping=allow-utf-8", OPEN_METRICS),
        ("application/openmetrics-text2", PLAIN),
        (";;,,version=", PLAIN),
    ],
)
def test_which_form_is_given(accept: str, kind: str) -> None:
    assert negotiated(accept) == kind


def test_no_help_needs_an_escape() -> None:
    assert [family.name for family in FAMILIES.values() if set(family.help) & set('\\\n"')] == []
