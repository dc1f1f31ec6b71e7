"""Tiers and budgets that are set while the platform runs: in force at once, and told to all processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.accounts.allowances import book as module
from app.accounts.allowances.schemas import BudgetWanted, RateWanted, TierWanted
from app.accounts.allowances.service import AllowanceService
from app.accounts.audit.schemas import AuditFilter
from app.accounts.keys.schemas import KeyChange, NewKey
from app.accounts.keys.trees import tree_of
from app.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, PlatformError, Unavailable
from app.domain.limits import Budget, Rate, Tier
from app.domain.principal import Principal
from app.integrations.storage.database.integration import DatabaseIntegration
from tests.integration.accounts.rooms import CONFIGURED, MASTER, Process, actor, process
from tests.servers.asking import becomes

SILVER = TierWanted(level=3, groups=("red",), models=("gpt-*",), rates=(RateWanted(unit="tokens", limit=9),))


async def service(room: Process) -> AllowanceService:
    return await room.accounts.setting_allowances()


def tier_names(room: Process) -> set[str]:
    return set(room.admission.tiers.by_name)


def budgets(room: Process) -> dict[str, Budget]:
    assert room.admission.budgets is not None
    return {each.name: each for each in room.admission.budgets.budgets}


async def test_what_is_set_holds_here_at_once_and_elsewhere_with_the_next_look(
    room: Process, database_settings: dict[str, Any]
) -> None:
    async with process(database_settings) as other:
        setting = await service(room)
        await setting.set_tier(actor(), "silver", SILVER)
        await setting.set_budget(actor(), "red", BudgetWanted(usd=1.5, per="day", team="red", alert_at=0.5))
        whole = Tier(
            name="silver", level=3, groups=("red",), models=("gpt-*",), rates=(Rate(unit="tokens", limit=9),)
        )
        budget = Budget(name="red", limit=1_500_000_000, scope="team", id="red", window="day", alert=0.5)
        for each in (room, other):
            await each.accounts.allowances.refresh()
            assert each.admission.tier_of(Principal(id="a", groups=("red",))) == whole
            assert each.admission.tier_of(Principal(id="a", tier="gold")) == CONFIGURED.tiers["gold"]
            assert budgets(each) == {"red": budget, **CONFIGURED.budgets}
        await setting.set_tier(actor(), "silver", TierWanted(level=4))
        await setting.delete(actor(), "budget", "red")
        for each in (room, other):
            await each.accounts.allowances.refresh()
            assert each.admission.tiers.by_name["silver"] == Tier(name="silver", level=4)
            assert budgets(each) == CONFIGURED.budgets
        for kind in ("tier", "budget"):
            with pytest.raises(NotFound):
                await setting.delete(actor(), kind, "red")  # type: ignore[arg-type]


async def test_an_unchanged_book_is_not_read_again(room: Process) -> None:
    await (await service(room)).set_tier(actor(), "silver", SILVER)
    before = room.admission.tiers
    await room.accounts.allowances.refresh()
    assert room.admission.tiers is before


async def test_the_configurations_are_not_changed(room: Process) -> None:
    setting = await service(room)
    for change in (
        setting.set_tier(actor(), "gold", SILVER),
        setting.delete(actor(), "tier", "gold"),
        setting.set_budget(actor(), "everything", BudgetWanted(usd=1)),
        setting.delete(actor(), "budget", "everything"),
    ):
        with pytest.raises(
            Conflict, match=r"\((llm-platform.yaml:7|the configuration)\): change it there"
        ) as refused:
            await change
        assert refused.value.code == "configured"
    assert await room.rows("audit") == []


async def test_the_configuration_wins_and_the_log_says_so(room: Process, caplog: pytest.LogCaptureFixture) -> None:
    await (await service(room)).set_tier(actor(), "silver", SILVER)
    tiers = {**CONFIGURED.tiers, "silver": Tier(name="silver", level=9)}
    room.accounts.allowances.serve(room.admission, module.Configured(tiers=tiers))
    assert room.admission.tiers.by_name["silver"].level == 9
    await (await service(room)).set_tier(actor(), "bronze", SILVER)
    assert caplog.text.count("the tier 'silver' of the database does not hold") == 1
    room.accounts.allowances.serve(room.admission, CONFIGURED)
    assert room.admission.tiers.by_name["silver"].level == 3


async def test_what_makes_no_sense_is_refused(room: Process) -> None:
    setting = await service(room)
    for change, param in (
        (setting.set_tier(actor(), "no name", SILVER), "name"),
        (setting.set_tier(actor(), "x\n", SILVER), "name"),
        (setting.set_tier(actor(), "x", TierWanted(rates=SILVER.rates * 2)), "rates"),
        (setting.set_budget(actor(), "x", BudgetWanted(usd=1, team="a", each="key")), "each"),
        (setting.set_budget(actor(), "x", BudgetWanted(usd=1, key="nosuch")), "key"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            await change
        assert refused.value.param == param
    assert await room.rows("tiers") == await room.rows("budgets") == []


async def test_a_key_and_whoever_issues_keys_may_have_a_budget(room: Process) -> None:
    key, _ = await (await room.service()).create(actor(), NewKey())
    for id in (key.id, tree_of("oidc:ann")):
        await (await service(room)).set_budget(actor(), "one", BudgetWanted(usd=1, key=id))
        assert budgets(room)["one"].id == id


async def test_a_key_gets_only_a_tier_that_there_is(room: Process) -> None:
    keys, setting = await room.service(), await service(room)
    await setting.set_tier(actor(), "silver", SILVER)
    for tier in ("gold", "silver", None):
        await keys.create(actor(), NewKey(tier=tier))
    key, _ = await keys.create(actor(), NewKey())
    for refused in (
        keys.create(actor(), NewKey(tier="nosuch")),
        keys.change(actor(), key.id, KeyChange(tier="nosuch")),
    ):
        with pytest.raises(InvalidRequest, match="no tier 'nosuch'; there are: free, gold, silver") as told:
            await refused
        assert (told.value.code, told.value.param) == ("tier_not_found", "tier")


async def test_what_a_key_has_already_is_not_asked_about(room: Process) -> None:
    """A tier that left the configuration: keys go on, and so do those issued below them."""
    keys = await room.service()
    key, _ = await keys.create(actor(), NewKey(tier="gold"))
    room.accounts.allowances.serve(room.admission, module.Configured())
    below, _ = await keys.create(actor(), NewKey(parent=key.id))
    assert below.tier == "gold"
    await keys.change(actor(), key.id, KeyChange(name="other"))


async def test_nobody_raises_himself(room: Process) -> None:
    """S5: another tier than one's own is for administrators to give."""
    await (await service(room)).set_tier(actor(), "silver", SILVER)
    _, own = await room.issue(roles=("operator",), tier="free")
    keys = await room.service()
    for tier in ("silver", "gold", None, "nosuch"):
        with pytest.raises(PermissionDenied):
            await keys.create(actor(own), NewKey(tier=tier))
    below, _ = await keys.create(actor(own), NewKey())
    assert below.tier == "free"
    with pytest.raises(PermissionDenied):
        await keys.change(actor(own), below.id, KeyChange(tier="gold"))


async def test_a_tier_that_keys_have_stays(room: Process) -> None:
    keys, setting = await room.service(), await service(room)
    await setting.set_tier(actor(), "silver", SILVER)
    key, _ = await keys.create(actor(), NewKey(tier="silver"))
    with pytest.raises(Conflict, match=key.id) as refused:
        await setting.delete(actor(), "tier", "silver")
    assert refused.value.code == "tier_in_use"
    await keys.revoke(actor(), key.id)
    await setting.delete(actor(), "tier", "silver")
    assert tier_names(room) == {"gold", "free"}


async def test_a_tier_never_goes_from_under_a_new_key(room: Process, database_settings: dict[str, Any]) -> None:
    async with process(database_settings) as other:
        setting, keys = await service(other), await room.service()
        for turn in range(6):
            name = f"t{turn}"
            await setting.set_tier(actor(), name, SILVER)
            outcomes = await asyncio.gather(
                keys.create(actor(), NewKey(tier=name)),
                setting.delete(actor(), "tier", name),
                return_exceptions=True,
            )
            assert [isinstance(each, PlatformError) for each in outcomes].count(True) == 1, outcomes


async def test_every_change_is_in_the_audit_log_with_before_and_after(room: Process) -> None:
    setting = await service(room)
    await setting.set_tier(actor(), "silver", SILVER)
    await setting.set_tier(actor(), "silver", TierWanted(level=4))
    await setting.delete(actor(), "tier", "silver")
    await setting.set_budget(actor(), "all", BudgetWanted(usd=2))
    records = (await room.accounts.audit.page(AuditFilter())).records[::-1]
    assert [(each.action, each.object) for each in records] == [
        *[("tier.set", "tier:silver")] * 2,
        ("tier.delete", "tier:silver"),
        ("budget.set", "budget:all"),
    ]
    levels = [[side and side["level"] for side in (each.before, each.after)] for each in records[:3]]
    assert levels == [[None, 3], [3, 4], [4, None]]
    assert records[3].after["limit"] == 2_000_000_000
    assert {each.actor for each in records} == {MASTER.id}


async def test_while_the_database_is_away_what_was_known_holds(
    room: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    setting = await service(room)
    await setting.set_tier(actor(), "silver", SILVER)
    room.accounts.allowances.stored = module.Stored()

    with monkeypatch.context() as gone:
        gone.setattr(DatabaseIntegration, "reading", _away)
        gone.setattr(DatabaseIntegration, "writing", _away)
        room.accounts.allowances.start()
        await becomes(lambda: told(caplog), 5.0)
        with pytest.raises(Unavailable):
            await setting.set_tier(actor(), "silver", SILVER)
        await room.accounts.allowances.latest()
    await becomes(lambda: known(room), 5.0)
    with monkeypatch.context() as gone:
        gone.setattr(DatabaseIntegration, "reading", _away)
        await room.accounts.allowances.latest()
        assert tier_names(room) == {"gold", "free", "silver"}
    assert caplog.text.count("only tiers and budgets of the configuration are known as yet") == 1


async def test_that_the_database_is_slow_is_found_out_by_one(
    room: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answering = 0, asyncio.Event()

    @asynccontextmanager
    async def slow(_: object) -> AsyncIterator[Any]:
        nonlocal asked
        asked += 1
        await answering.wait()
        raise Unavailable("The database is away.")
        yield

    book = room.accounts.allowances
    with monkeypatch.context() as frozen:
        frozen.setattr(DatabaseIntegration, "reading", slow)
        asking = [asyncio.create_task(book.latest()) for _ in range(50)]
        await asyncio.sleep(0)
        answering.set()
        await asyncio.gather(*asking)
        await book.latest()  # nor is it asked again at once
    assert asked == 1
    await book.known()  # as when a key was just found there
    assert book.stored.version is not None


async def test_whoever_asks_while_the_database_is_first_read_waits_for_it(
    room: Process, database_settings: dict[str, Any]
) -> None:
    """The look before may have failed just now, for the database was not up yet."""
    await (await service(room)).set_tier(actor(), "silver", SILVER)
    async with process(database_settings) as other:
        book = other.accounts.allowances
        with pytest.MonkeyPatch.context() as early:
            early.setattr(DatabaseIntegration, "reading", _away)
            await book.latest()
        assert book.missing("tier", "silver").code == "database_unavailable"  # nobody knows that there is none
        first = asyncio.create_task(book.refresh())
        await asyncio.sleep(0)
        assert "silver" in {entry.thing.name for entry in (await book.latest()).entries("tier")}
        await first
        assert book.missing("tier", "nosuch").code == "tier_not_found"


def _away(_: object) -> Any:
    raise Unavailable("The database is away.")


async def test_a_key_is_never_known_before_its_tier(room: Process, database_settings: dict[str, Any]) -> None:
    await (await service(room)).set_tier(actor(), "silver", SILVER)
    text, _ = await room.issue(tier="silver")
    async with process(database_settings) as other:  # which has not looked yet
        entry = await other.entry(text)
        assert entry is not None
        assert other.admission.tier_of(entry.principal) == other.admission.tiers.by_name["silver"]


async def told(caplog: pytest.LogCaptureFixture) -> bool:
    return "of the configuration are known as yet" in caplog.text


async def known(room: Process) -> bool:
    return "silver" in tier_names(room)
