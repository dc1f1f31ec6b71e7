"""How the record of a call becomes an entry in the ledger."""

import time

import msgspec
import pytest

from app.accounts.limits.budgets import Budgets
from app.accounts.limits.families import Families
from app.accounts.oidc.claims import principal_of
from app.accounts.oidc.rules import OidcRules
from app.accounts.usage.schemas import NANOS, Entry
from app.accounts.usage.spending import SpendingFigures
from app.core.clock import SystemClock
from app.domain.calls import Tried
from app.domain.errors import BudgetExceeded
from app.domain.limits import Budget
from app.domain.principal import Principal
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.stages.account import Account, CallRecord
from app.recording import entry

RECORD = CallRecord(
    id="req-1",
    principal="key:1",
    front_end="openai_api",
    operation="chat",
    model="fast",
    integration="cloud",
    target_model="gpt-1",
    attempts=3,
    outcome="ok",
    seconds=1.5,
    first_event_seconds=0.5,
    usage=Usage(input_tokens=7, output_tokens=5, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1),
    key="1",
    purse="1",
    team="red",
    tier="gold",
    cost=0.1234567891,
    stream=True,
    tried=(
        Tried("fast", "other", "gpt-0", 0.1, 0.2, "unavailable", "words"),
        Tried("fast", "slow", "gpt-2", 0.1, lost=True),
        Tried("fast", "cloud", "gpt-1", 0.3),
    ),
)


def entered(**changes: object) -> Entry:
    return entry(msgspec.structs.replace(RECORD, **changes), "id-1", 2e9)


def test_what_a_call_was_stands_in_its_entry() -> None:
    found = entered()
    same = {"principal", "front_end", "operation", "model", "integration", "target_model", "attempts", "outcome"}
    same |= {"team", "tier", "stream", "seconds", "first_event_seconds"}
    assert {name: getattr(found, name) for name in same} == {name: getattr(RECORD, name) for name in same}
    assert (found.id, found.at, found.request_id, found.key_id) == ("id-1", 2e9, "req-1", "1")
    usage = RECORD.usage
    assert usage is not None
    tokens = [name for name in usage.__struct_fields__ if name.endswith("_tokens")]
    assert [getattr(found, name) for name in tokens] == [7, 5, 3, 2, 1]
    assert [(each.outcome, each.waited) for each in found.tried] == [("unavailable", 0.2), ("lost", 0), ("ok", 0)]


@pytest.mark.parametrize(("cost", "nanos"), [(None, None), (0.0, 0), (0.1234567891, 123_456_789), (1e-9, 1)])
def test_money_is_in_whole_billionths(cost: float | None, nanos: int | None) -> None:
    assert entered(cost=cost).cost == nanos


def test_a_call_of_which_no_figures_are_known_has_none() -> None:
    found = entered(usage=None)
    assert (found.input_tokens, found.output_tokens, found.estimated) == (0, 0, False)


def test_a_name_that_no_database_takes_is_made_fit() -> None:
    assert entered(model="a\0b").model == "a\\x00b"


def test_who_shows_no_key_spends_of_one_purse_with_the_keys_that_he_issues() -> None:
    async def nothing(*_: object) -> tuple[()]:
        return ()

    ann = principal_of({"sub": "ann"}, OidcRules(issuer="i", audience=("a",), algorithms=("RS256",)))
    key = Principal(id="key:k", key="k", line=(*ann.line, "k"))
    for spender in (ann, key):
        records: list[CallRecord] = []
        call = Call(id="x", operation="chat", model="m", decode=lambda: None, encoded=None, principal=spender)  # type: ignore[arg-type, return-value]
        Account([records.append]).emit(call, None, None, None)
        figures = SpendingFigures(nothing, SystemClock())
        budgets = Budgets(figures, Families(nothing))
        budgets.budgets = (Budget(name="each", limit=5 * NANOS, scope="key", window="day"),)
        budgets.check(key)
        figures.add(entry(msgspec.structs.replace(records[0], cost=5.0), "id", time.time()))
        for asker in (ann, key):
            with pytest.raises(BudgetExceeded):
                budgets.check(asker)
