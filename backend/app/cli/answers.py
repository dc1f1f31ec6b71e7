"""What a platform answers, as far as the tables show it. Fields that are unknown here are left alone."""

import msgspec


class Price(msgspec.Struct):
    """US dollars per million tokens."""

    input: float
    output: float = 0.0


class Model(msgspec.Struct):
    id: str
    provider: str = ""
    available: bool = True
    capabilities: tuple[str, ...] = ("chat",)
    context_window: int | None = None
    size_bytes: int | None = None
    loaded: bool | None = None
    price: Price | None = None


class Models(msgspec.Struct):
    models: list[Model]


class Check(msgspec.Struct):
    at: float
    latency_ms: float
    ok: bool
    message: str = ""


class Integration(msgspec.Struct):
    name: str
    state: str
    type: str = ""
    kind: str = ""
    reason: str = ""
    since: float | None = None
    next_retry_at: float | None = None
    attempts: int = 0
    priority: int | None = None
    dependencies: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    last_check: Check | None = None


class Integrations(msgspec.Struct):
    integrations: list[Integration]
