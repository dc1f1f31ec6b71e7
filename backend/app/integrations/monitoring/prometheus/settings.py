"""What an operator may set for metrics."""

from pydantic import BaseModel, ConfigDict, Field


class PrometheusSettings(BaseModel):
    """`tenants`: how many teams get a label of their own; further ones are counted together, as `other`. `gpu`:
    whether NVIDIA's library is asked for the memory of GPUs, where there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenants: int = Field(default=100, ge=0)
    gpu: bool = True
