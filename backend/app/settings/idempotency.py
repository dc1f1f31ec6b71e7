"""Settings of requests that carry an Idempotency-Key."""

from typing import Annotated, Literal

from pydantic import Field

from app.settings.quantities import Bytes, Seconds
from app.settings.section import Section


class IdempotencySettings(Section):
    store: Literal["auto", "redis", "database", "memory"] = Field(
        default="auto",
        description="Where keys and answers are kept: `auto` is Redis where it is enabled, else the database, "
        "else this process's memory.",
    )
    ttl: Annotated[Seconds, Field(gt=0)] = Field(
        default=86_400, description="How long an answer is given again to requests with its key."
    )
    lease: Annotated[Seconds, Field(ge=1)] = Field(
        default=30, description="How long a key stays taken after the process that answered has crashed."
    )
    max_answer_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        default=4 * 2**20, description="Largest answer that is kept; after a larger one the key is free again."
    )
    memory_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        default=64 * 2**20, description="Largest size of all answers together that are kept in memory."
    )
