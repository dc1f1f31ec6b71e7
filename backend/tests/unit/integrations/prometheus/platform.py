"""A platform to be looked at, which knows a few names."""

from collections.abc import Iterable, Mapping, Sequence

from app.domain.observing import BudgetState, LedgerState, OfferState, TargetState


class Platform:
    """Satisfies Observable."""

    def __init__(self) -> None:
        self.models = {"fast", "gpt-1"}
        self.refused: dict[str, int] = {}

    def knows_model(self, name: str) -> bool:
        return name in self.models

    def knows_target(self, integration: str, model: str) -> bool:
        return model in self.models

    def targets(self) -> Iterable[TargetState]:
        return ()

    def offers(self) -> Mapping[str, OfferState]:
        return {}

    def unserved(self) -> Mapping[str, Sequence[str]]:
        return {}

    def active_calls(self) -> int:
        return 0

    async def budgets(self) -> Iterable[BudgetState]:
        return ()

    def ledger(self) -> LedgerState | None:
        return None

    def refused_keys(self) -> Mapping[str, int]:
        return self.refused
