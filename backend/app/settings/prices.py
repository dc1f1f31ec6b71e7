"""Settings of prices: by the token, and by the time that a machine of one's own takes."""

from typing import Annotated

from pydantic import Field, model_validator

from app.settings.section import Section

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriceSettings(Section):
    """US dollars: per million tokens, and per hour that a request takes. Both add up."""

    input: Amount = Field(default=0, description="A million tokens of the prompt.")
    output: Amount = Field(default=0, description="A million tokens of the answer.")
    cached_input: Amount | None = Field(
        default=None, description="Tokens of the prompt that the provider had cached; else as `input`."
    )
    cache_write: Amount | None = Field(
        default=None, description="Tokens of the prompt that it put into its cache; else as `input`."
    )
    per_hour: Amount = Field(default=0, description="An hour of a request's time at the provider.")
    watts: Amount = Field(
        default=0, description="Power that a request takes, for its share of the machine; with `price_per_kwh`."
    )
    price_per_kwh: Amount = Field(default=0, description="A kilowatt-hour of electricity.")
    amortisation_per_hour: Amount = Field(
        default=0, description="What an hour of the machine wears off, for a request's share of it."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "PriceSettings":
        if not self.model_fields_set:
            raise ValueError("must say a price, such as input, output or per_hour")
        if bool(self.watts) != bool(self.price_per_kwh):
            raise ValueError("watts and price_per_kwh go together")
        return self

    @property
    def hourly(self) -> float:
        """All that an hour costs."""
        return self.per_hour + self.amortisation_per_hour + self.watts / 1000 * self.price_per_kwh
