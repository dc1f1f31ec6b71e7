"""The ledger as the settings have it, and how the record of a call becomes an entry there."""

import time
from collections.abc import Callable

from app.accounts.store import Store
from app.accounts.usage.ledger import Keeping, Ledger
from app.accounts.usage.schemas import NANOS, AttemptEntry, Entry, name
from app.core.data_folder import data_folder
from app.domain.calls import Tried
from app.domain.usage import Usage
from app.inference.stages.account import CallRecord
from app.settings import Settings

_FOLDER = "usage"
_NOTHING = Usage()


def ledger_of(settings: Callable[[], Settings], store: Store) -> Ledger:
    """`settings` gives those that hold now."""

    def keeping() -> Keeping:
        wanted = settings().usage
        return Keeping(wanted.retention_days, wanted.summary_days, wanted.spool_bytes)

    return Ledger(store, (settings().data_dir or data_folder()) / _FOLDER, keeping)


def recorder(ledger: Ledger, lists: Callable[[str], bool]) -> Callable[[CallRecord], None]:
    """A sink of the account stage. `lists`: whether a model's name is one of the platform's."""

    def record(call: CallRecord) -> None:
        listed = call.integration is None and call.cached is None and lists(call.model)
        ledger.record(entry(call, ledger.next_id(), time.time(), listed))

    return record


def entry(call: CallRecord, id: str, at: float, listed: bool = False) -> Entry:
    usage = call.usage or _NOTHING
    return Entry(
        id=id,
        at=at,
        request_id=call.id,
        principal=call.principal,
        key_id=call.purse,
        team=call.team,
        tier=call.tier,
        front_end=call.front_end,
        operation=call.operation,
        model=name(call.model),
        integration=call.integration,
        target_model=None if call.target_model is None else name(call.target_model),
        attempts=call.attempts,
        outcome=call.outcome,
        cached=call.cached,
        stream=call.stream,
        seconds=call.seconds,
        first_event_seconds=call.first_event_seconds,
        estimated=usage.estimated,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost=None if call.cost is None else round(call.cost * NANOS),
        tried=tuple([_attempt(tried) for tried in call.tried]),
        listed=listed,
    )


def _attempt(tried: Tried) -> AttemptEntry:
    return AttemptEntry(
        tried.integration,
        name(tried.model),
        tried.seconds,
        tried.waited,
        tried.failure or ("lost" if tried.lost else "ok"),
    )
