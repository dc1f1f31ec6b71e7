"""Prices as they are written, and what they come to."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.domain.prices import Price
from app.routing import routing
from app.settings import Settings
from app.settings.prices import PriceSettings


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ({"input": 1.5}, Price(input=1.5)),
        ({"input": 0}, Price(input=0)),
        ({"per_hour": 2}, Price(input=0, per_hour=2)),
        ({"watts": 400, "price_per_kwh": 0.25}, Price(input=0, per_hour=0.1)),
        (
            {"input": 1, "watts": 400, "price_per_kwh": 0.25, "amortisation_per_hour": 0.4, "per_hour": 0.5},
            Price(input=1, per_hour=1.0),
        ),
    ],
)
def test_what_a_price_comes_to(written: dict[str, Any], price: Price) -> None:
    settings = Settings.model_validate({"prices": {"local/*": written}})
    found = routing(settings).price("local", "custom_models", "m")
    assert found is not None
    assert found.per_hour == pytest.approx(price.per_hour)
    assert (found.input, found.output) == (price.input, price.output)


@pytest.mark.parametrize(
    ("written", "told"),
    [({}, "must say a price"), ({"watts": 400}, "go together"), ({"price_per_kwh": 0.3}, "go together")],
)
def test_half_a_price_is_none(written: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PriceSettings.model_validate(written)
