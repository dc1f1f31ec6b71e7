"""Every metric by name: what it counts, its labels, its buckets. docs/monitoring.md has the same for people.

The gen_ai family is OpenTelemetry's, with its boundaries:
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
"""

from typing import Literal

import msgspec

Kind = Literal["counter", "histogram", "gauge"]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """`bounds`: upper ends of a histogram's buckets. `across`: how the values of several processes, each with its
    own gauge, become one.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    across: Literal["sum", "max"] = "sum"

    @property
    def width(self) -> int:
        """Numbers that one series takes: of a histogram the sum, a count for each bucket, and one for the rest."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


def _counter(name: str, help: str, *labels: str) -> Family:
    return Family(name=name, kind="counter", help=help, labels=labels)


def _histogram(name: str, help: str, bounds: tuple[float, ...], *labels: str) -> Family:
    return Family(name=name, kind="histogram", help=help, labels=labels, bounds=bounds)


def _gauge(name: str, help: str, *labels: str, across: Literal["sum", "max"] = "sum") -> Family:
    return Family(name=name, kind="gauge", help=help, labels=labels, across=across)


_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    *(10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
_LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WAIT = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LOAD = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

# What is counted of calls.
REQUESTS = _counter(
    "llm_requests_total",
    "Calls that are over, by how they ended: ok, cancelled, or the kind of the error.",
    *("model", "provider", "operation", "front_end", "status", "tenant"),
)
DURATION = _histogram(
    "llm_request_duration_seconds",
    "From the arrival of a call to the end of its answer.",
    _SECONDS,
    *("model", "provider", "operation"),
)
ERRORS = _counter(
    "llm_errors_total",
    "Calls that failed, by the kind of the error and whose fault it was: the caller's, or not (platform).",
    *("model", "provider", "operation", "error_type", "fault"),
)
TOKENS = _counter(
    "llm_tokens_total",
    "Tokens by type; input includes cached and cache_write, output includes reasoning.",
    *("model", "provider", "tenant", "type"),
)
COST = _counter("llm_cost_total", "US dollars, as far as prices are known.", "model", "provider", "tenant")
ATTEMPTS = _counter(
    "llm_upstream_attempts_total",
    "Requests to providers, by what came of them: ok, lost (another answered first), or the kind of the error.",
    *("provider", "result"),
)
REPEATS = _counter(
    "llm_upstream_repeats_total",
    "Further requests to providers for one call: retry (the same target), fallback (another), hedge (beside one).",
    *("provider", "kind"),
)
REFUSALS = _counter(
    "llm_refusals_total",
    "Calls refused before a provider was asked, for a limit or a right: rate_limit, budget, queue_full, access.",
    "reason",
)
CACHED = _counter(
    "llm_cached_answers_total",
    "Answers that no provider was asked for: hit, coalesced, replayed.",
    *("model", "kind"),
)
QUEUE_WAIT = _histogram(
    "llm_queue_wait_seconds", "Time in line for a place at a target, of calls that had to wait.", _WAIT, "provider"
)

_GEN_AI = (
    *("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_original_model", "gen_ai_request_model"),
    "gen_ai_response_model",
)
GEN_AI_TOKENS = _histogram(
    "gen_ai_client_token_usage",
    "Tokens that a call used.",
    tuple(float(4**power) for power in range(14)),
    *(*_GEN_AI, "gen_ai_token_type"),
)
GEN_AI_DURATION = _histogram(
    "gen_ai_server_request_duration_seconds",
    "From the arrival of a call that a provider was asked for to the last of its answer.",
    tuple(0.01 * 2**power for power in range(14)),
    *(*_GEN_AI, "error_type"),
)
GEN_AI_FIRST_TOKEN = _histogram(
    "gen_ai_server_time_to_first_token_seconds",
    "From the arrival of a call to the first of its answer, where that streams.",
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *_GEN_AI,
)
GEN_AI_PER_TOKEN = _histogram(
    "gen_ai_server_time_per_output_token_seconds",
    "Time that each token takes after the first, where an answer streams.",
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
    *_GEN_AI,
)

# What else happens.
MODEL_LOADS = _counter(
    "llm_model_loads_total",
    "Models that came into memory (loaded), left it (unloaded), or could not be loaded (failed).",
    *("model", "provider", "result"),
)
LOAD_SECONDS = _histogram(
    "llm_model_load_seconds", "How long it took to load a model into memory.", _LOAD, *("model", "provider")
)
KEY_REFUSALS = _counter(
    "llm_key_refusals_total",
    "Callers turned away: no key, unknown key, expired key, revoked key, bad token, bad header.",
    "reason",
)
LOOP_LAG = _histogram(
    "llm_event_loop_lag_seconds", "How late the event loop does what is due; asked twice a second.", _LAG
)
CPU_SECONDS = _counter("process_cpu_seconds_total", "User and system CPU time of the platform's processes.")

# What is there at the moment of a scrape.
ACTIVE_REQUESTS = _gauge("llm_active_requests", "Calls under way.")
ACTIVE_MODELS = _gauge("llm_active_models", "Models that can be asked now.", "provider", across="max")
LOADED_MODELS = _gauge("llm_loaded_models", "Models that are in memory.", "provider", across="max")
IN_FLIGHT = _gauge("llm_target_in_flight", "Requests under way to a target.", "provider", "model")
QUEUE = _gauge("llm_queue_depth", "Calls in line for a place at a target.", "provider", "model")
SLOTS = _gauge("llm_target_slots", "Requests that a target may have under way.", "provider", "model")
BREAKER = _gauge(
    "llm_circuit_breaker_state",
    "0: closed; 1: half open, a request probes it; 2: open, the target is not asked.",
    *("provider", "model"),
    across="max",
)
INTEGRATION_STATE = _gauge(
    "llm_integration_state",
    "Processes in which an integration is in this state.",
    *("integration", "type", "state"),
)
INTEGRATION_EDGE = _gauge(
    "llm_integration_dependency", "1 where one integration needs another.", "from", "to", across="max"
)
BLOCKED_BY = _gauge(
    "llm_integration_blocked_by",
    "1 where an integration waits for another one, and which one at the root of it is down (cause).",
    *("integration", "cause"),
    across="max",
)
UNSERVED = _gauge(
    "llm_model_unserved",
    "1 where a model can't be asked now, and which integration is the cause.",
    *("model", "cause"),
    across="max",
)
BUDGET_LIMIT = _gauge("llm_budget_limit_dollars", "What may be spent in its period.", "budget", across="max")
BUDGET_USED = _gauge(
    "llm_budget_used_ratio", "Spent part of a budget, of whoever spent most of it.", "budget", across="max"
)
BUDGET_ALERT = _gauge(
    "llm_budget_alert_ratio", "The spent part that somebody should hear of.", "budget", across="max"
)
LEDGER_WAITING = _gauge("llm_ledger_waiting_bytes", "Usage on disk that is not in the database yet.", across="max")
LEDGER_FAILING = _gauge("llm_ledger_failing", "1 while the database takes no usage.", across="max")
LEDGER_LOST = _gauge(
    "llm_ledger_lost_calls", "Calls since the start whose usage neither database nor disk nor memory had room for."
)
GPU_USED = _gauge("llm_gpu_memory_usage_bytes", "Memory in use on a GPU, by whomever.", "gpu", across="max")
GPU_TOTAL = _gauge("llm_gpu_memory_total_bytes", "Memory of a GPU.", "gpu", across="max")
CPU_PERCENT = _gauge(
    "llm_cpu_usage_percent", "CPU that the platform used since the last scrape; 100 is one whole core."
)
PROCESSES = _gauge("llm_processes", "Serving processes that could be asked.")
BUILD = _gauge("llm_build_info", "Always 1; the labels tell what runs.", "version", "python", across="max")
RESIDENT = _gauge("process_resident_memory_bytes", "Resident memory of the platform's processes.")
VIRTUAL = _gauge("process_virtual_memory_bytes", "Virtual memory of the platform's processes.")
OPEN_FDS = _gauge("process_open_fds", "Open files and sockets of the platform's processes.")
MAX_FDS = _gauge("process_max_fds", "Files and sockets that they may have open.")
STARTED = _gauge(
    "process_start_time_seconds", "When the youngest of the processes began, in Unix seconds.", across="max"
)

FAMILIES = {each.name: each for each in tuple(globals().values()) if isinstance(each, Family)}
