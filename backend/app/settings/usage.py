"""Settings of the ledger."""

from typing import Annotated

from pydantic import Field

from app.settings.quantities import Bytes
from app.settings.section import Section

Days = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class UsageSettings(Section):
    enabled: bool = Field(default=True, description="Whether what is asked and what it costs is kept.")
    retention_days: Days = Field(default=90, description="How long each call is kept, in days.")
    summary_days: Days = Field(
        default=800, description="How long the sums of each hour are kept, which `/v1/usage` tells of."
    )
    spool_bytes: Annotated[Bytes, Field(ge=2**20)] = Field(
        default=2**30, description="How much may wait on disk while the database takes nothing."
    )
