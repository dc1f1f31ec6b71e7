"""Shows integrations what can be seen of the platform: what it is made of, and the figures behind its metrics."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from app.accounts.limits.admission import Admission
from app.accounts.usage.ledger import Ledger
from app.accounts.usage.schemas import NANOS
from app.api.refusals import Refusals
from app.core.integration_framework import IntegrationManager
from app.core.siblings import Siblings
from app.domain.observing import BudgetState, LedgerState, Observable, OfferState, TargetState
from app.inference.call import Target
from app.inference.catalog import Catalog, LiveCatalog
from app.inference.tally import Tally


def show(manager: IntegrationManager, siblings: Siblings, observed: "Observed") -> None:
    manager.share(IntegrationManager, manager)
    manager.share(Siblings, siblings)
    manager.share(Observable, observed)


class Observed:
    """Satisfies Observable. `refusals` gives the counts of those who came without a good key."""

    def __init__(
        self,
        catalog: LiveCatalog,
        tally: Tally,
        admission: Admission,
        refusals: Callable[[], Refusals],
        ledger: Ledger | None = None,
    ) -> None:
        self._catalog = catalog
        self._tally = tally
        self._admission = admission
        self._refusals = refusals
        self._ledger = ledger
        self._seen: Catalog | None = None
        self._targets: dict[tuple[str, str], Target] = {}

    def knows_model(self, name: str) -> bool:
        return self._catalog.current.lists(name)

    def knows_target(self, integration: str, model: str) -> bool:
        return (integration, model) in self._listed()

    def targets(self) -> Iterator[TargetState]:
        for (integration, model), target in self._listed().items():
            vitals = target.vitals
            if vitals.known or vitals.slots.limit is not None:
                yield TargetState(
                    integration=integration,
                    model=model,
                    breaker=vitals.breaker.state,
                    in_flight=vitals.in_flight,
                    waiting=vitals.slots.waiting(),
                    slots=vitals.slots.limit,
                )

    def offers(self) -> Mapping[str, OfferState]:
        found: dict[str, list[Target]] = {}
        for (integration, _), target in self._listed().items():
            found.setdefault(integration, []).append(target)
        return {integration: _offer(targets) for integration, targets in found.items()}

    def unserved(self) -> Mapping[str, Sequence[str]]:
        entries = self._catalog.current.entries()
        return {
            entry.name: [target.integration for target in entry.targets]
            for entry in entries
            if entry.targets and not entry.serving
        }

    def active_calls(self) -> int:
        return self._tally.active

    async def budgets(self) -> Iterable[BudgetState]:
        budgets = self._admission.budgets
        return [
            BudgetState(name=budget.name, limit=budget.limit / NANOS, used=used, alert=budget.alert)
            for budget, used in (() if budgets is None else await budgets.fullest())
        ]

    def ledger(self) -> LedgerState | None:
        if self._ledger is None:
            return None
        found = self._ledger.waiting()
        return LedgerState(waiting=found.bytes, failing=found.failing, lost=found.lost)

    def refused_keys(self) -> Mapping[str, int]:
        return self._refusals().counts

    def _listed(self) -> Mapping[tuple[str, str], Target]:
        """Of the present snapshot, worked out once for each."""
        catalog = self._catalog.current
        if catalog is not self._seen:
            targets = (target for entry in catalog.entries() for target in entry.targets)
            self._targets = {(target.integration, target.model): target for target in targets}
            self._seen = catalog
        return self._targets


def _offer(targets: Iterable[Target]) -> OfferState:
    targets = list(targets)
    return OfferState(
        active=sum(target.serving for target in targets),
        loaded=sum(target.known is not None and target.known.loaded is True for target in targets),
    )
