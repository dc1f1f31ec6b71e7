"""What a platform answers, as far as the tables show it. Fields that are unknown here are left alone."""

from typing import Any

import msgspec


class Price(msgspec.Struct):
    """US dollars per million tokens."""

    input: float
    output: float = 0.0


class Resident(msgspec.Struct):
    """A model in memory, or on its way there. Times are Unix seconds."""

    status: str
    mode: str | None = None
    since: float | None = None
    last_used: float | None = None
    users: int | None = None
    memory_bytes: int | None = None
    location: str | None = None
    pinned: bool = False
    expires: float | None = None
    stage: str | None = None
    fraction: float | None = None


class Model(msgspec.Struct):
    id: str
    provider: str = ""
    model: str = ""
    available: bool = True
    capabilities: tuple[str, ...] = ("chat",)
    context_window: int | None = None
    size_bytes: int | None = None
    loaded: bool | None = None
    price: Price | None = None
    format: str | None = None
    quantization: str | None = None
    license: str | None = None
    residents: tuple[Resident, ...] = ()


class Models(msgspec.Struct):
    models: list[Model]


class FoundModel(msgspec.Struct):
    name: str
    task: str | None = None
    formats: tuple[str, ...] = ()
    parameters: int | None = None
    context_window: int | None = None
    license: str | None = None
    gated: bool = False
    downloads: int | None = None
    likes: int | None = None
    updated: float | None = None


class FoundModels(msgspec.Struct):
    models: list[FoundModel]


class Details(msgspec.Struct):
    """What was fetched, and why this."""

    files: tuple[str, ...] = ()
    why: str = ""


class Job(msgspec.Struct):
    id: str
    state: str
    kind: str = ""
    integration: str = ""
    model: str = ""
    step: str = ""
    completed_bytes: int | None = None
    total_bytes: int | None = None
    created_at: float | None = None
    error: str | None = None
    details: Details = msgspec.field(default_factory=Details)


class Jobs(msgspec.Struct):
    jobs: list[Job]


class Policy(msgspec.Struct):
    strategy: str = ""
    retries: int = 0
    fallbacks: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()
    content_fallbacks: tuple[str, ...] = ()
    hedge_after: float | None = None


class Candidate(msgspec.Struct):
    model: str
    target: str | None = None
    priority: int = 1
    score: float | None = None
    excluded: str | None = None
    note: str | None = None


class Attempt(msgspec.Struct):
    """Times in milliseconds."""

    model: str
    target: str
    at_ms: float = 0.0
    ms: float = 0.0
    queued_ms: float = 0.0
    result: str = ""
    hedge: bool = False
    error: str | None = None
    message: str | None = None
    dropped: tuple[str, ...] = ()


class Tokens(msgspec.Struct):
    input: int = 0
    output: int = 0
    cached: int = 0
    estimated: bool = False


class Explanation(msgspec.Struct):
    id: str
    model: str
    outcome: str
    started_at: float = 0.0
    front_end: str = ""
    operation: str = ""
    principal: str = ""
    meant: str | None = None
    policy: Policy | None = None
    prompt: str | None = None
    candidates: tuple[Candidate, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    error: str | None = None
    stopped: str | None = None
    cached: str | None = None
    charged: tuple[str, ...] = ()
    tokens: Tokens | None = None
    cost: float | None = None
    queued_ms: float = 0.0
    first_event_ms: float | None = None
    duration_ms: float = 0.0


class Usage(msgspec.Struct):
    """A page. What it was grouped by stands in each row beside the figures."""

    data: list[dict[str, Any]]
    next: str | None = None


class Check(msgspec.Struct):
    at: float
    latency_ms: float
    ok: bool
    message: str = ""
    details: dict[str, Any] = {}


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


class Key(msgspec.Struct):
    """`key` is the key itself, where it was just made."""

    id: str
    status: str
    name: str = ""
    owner: str = ""
    team: str | None = None
    groups: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tier: str | None = None
    parent: str | None = None
    metadata: dict[str, str] = {}
    hint: str = ""
    created_at: float | None = None
    created_by: str = ""
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    key: str = ""


class Rate(msgspec.Struct):
    unit: str
    limit: int
    window: float = 60.0


class Tier(msgspec.Struct):
    name: str
    level: int = 0
    groups: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    rates: tuple[Rate, ...] = ()
    priority: int = 0
    default: bool = False
    defined_in: str = ""
    defined_at: str | None = None


class Tiers(msgspec.Struct):
    data: list[Tier]


class Holder(msgspec.Struct):
    id: str | None
    spent: float
    remaining: float


class Budget(msgspec.Struct):
    name: str
    usd: float
    per: str
    key: str | None = None
    team: str | None = None
    each: str | None = None
    holders: tuple[Holder, ...] = ()
    resets_at: float | None = None
    complete: bool = True
    defined_in: str = ""
    defined_at: str | None = None


class Budgets(msgspec.Struct):
    data: list[Budget]


class AuditRecord(msgspec.Struct):
    at: float
    actor: str
    action: str
    object: str = ""
    request_id: str = ""
    front_end: str = ""


class AuditPage(msgspec.Struct):
    data: list[AuditRecord]
