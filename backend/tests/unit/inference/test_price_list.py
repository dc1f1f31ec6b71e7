"""What a model costs: the table's rows, how names find theirs, and what is configured instead."""

from collections import Counter
from importlib.resources import files

import pytest

from app.domain.prices import Price
from app.domain.usage import Usage
from app.inference.price_list import PriceList, _table
from app.integrations.builtin import BUILTIN

ROWS = [(kind, model, price) for kind, models in _table().items() for model, price in models.items()]
ONE, TWO, THREE = Price(input=1.0), Price(input=2.0), Price(input=3.0)


def test_no_row_stands_twice() -> None:
    text = files("app.inference").joinpath("prices.tsv").read_text("utf-8")
    names = Counter(tuple(line.split("\t")[:2]) for line in text.splitlines() if line and line[0] != "#")
    assert [name for name, count in names.items() if count > 1] == []


def test_each_row_is_of_a_kind_that_there_is() -> None:
    assert {kind for kind, _, _ in ROWS} <= BUILTIN.keys()


@pytest.mark.parametrize(("kind", "model", "price"), ROWS, ids=lambda value: value if type(value) is str else "")
def test_a_row_is_plausible(kind: str, model: str, price: Price) -> None:
    """No column was mistaken for another."""
    assert 0 < price.input <= 150
    assert price.output == 0 or price.input <= price.output <= 10 * price.input
    assert price.cached_input is None or 0.02 * price.input <= price.cached_input < price.input
    assert price.cache_write is None or price.input <= price.cache_write <= 1.25 * price.input


@pytest.mark.parametrize(
    ("kind", "model", "input"),
    [
        ("openai", "gpt-4o", 2.5),
        ("openai", "gpt-4o-2024-11-20", 2.5),
        ("openai", "gpt-4o-2024-05-13", 5.0),
        ("openai", "gpt-5-chat-latest", 1.25),
        ("openai", "gpt-4-0613", 30.0),
        ("openai", "gpt-5-with-something-new", None),
        ("openai", "gpt-5.99", None),
        ("anthropic", "claude-opus-4-20250514", 15.0),
        ("anthropic", "claude-opus-4-5-20251101", 5.0),
        ("anthropic", "claude-opus-4-9", None),
        ("anthropic", "claude-3-5-haiku-latest", 0.8),
        ("anthropic", "claude-sonnet-4@20250514", 3.0),
        ("gemini", "gemini-2.0-flash-001", 0.1),
        ("mistral", "magistral-medium-2509", 2.0),
        ("vllm", "gpt-4o", None),
        ("ollama", "llama3.2:1b", None),
    ],
)
def test_a_name_finds_its_row(kind: str, model: str, input: float | None) -> None:
    price = PriceList()("any", kind, model)
    assert (price and price.input) == input


@pytest.mark.parametrize(
    ("configured", "found"),
    [
        ({"gpt-4o": ONE}, ONE),
        ({"cloud/gpt-4o": ONE, "gpt-4o": TWO}, ONE),
        ({"gpt-4o-2024-11-20": ONE, "cloud/gpt-4o": TWO}, ONE),
        ({"gpt-*": ONE, "gpt-4o*": TWO, "*": THREE}, TWO),
        ({"cloud/*": ONE, "*": TWO}, ONE),
        ({"gpt-4o": ONE, "cloud/gpt-4o-2024*": TWO}, ONE),
        ({"other/*": ONE, "gpt-4": TWO}, Price(input=2.5, output=10.0, cached_input=1.25)),
    ],
)
def test_what_is_configured_comes_first_and_the_closest_name_wins(
    configured: dict[str, Price], found: Price
) -> None:
    assert PriceList(configured)("cloud", "openai", "gpt-4o-2024-11-20") == found


def test_a_cost_tells_cached_tokens_apart() -> None:
    price = Price(input=10.0, output=20.0, cached_input=1.0, cache_write=12.0)
    usage = Usage(input_tokens=1000, output_tokens=100, cached_tokens=600, cache_write_tokens=300)
    assert price.cost(usage) == pytest.approx((100 * 10 + 600 * 1 + 300 * 12 + 100 * 20) / 1e6)
    assert Price(input=10.0, output=20.0).cost(usage) == pytest.approx((1000 * 10 + 100 * 20) / 1e6)
