"""How much fits into memory at the same time: so many models, so many bytes."""

from collections.abc import Callable, Iterable

import msgspec

from app.domain.errors import Overloaded
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.runtime import LoadFailed, Mode
from app.integrations.model_platforms.local_models.tenants import Tenant

Key = tuple[str, Mode]

_MIB = 1 << 20


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """`places`: how many models. `budget`: bytes that they may take together. `need`: bytes that one takes.
    `patience`: seconds that one may wait until there is room.
    """

    places: int
    budget: Callable[[], int]
    need: Callable[[LocalModel], int]
    patience: float

    def has(self, need: int, tenants: Iterable[Tenant]) -> bool:
        """Whether there is room beside these for one who needs so much."""
        taken = [tenant.need for tenant in tenants]
        return len(taken) < self.places and sum(taken) + need <= self.budget()

    def check(self, model: LocalModel) -> None:
        """Raises LoadFailed where there will never be room for it."""
        need, budget = self.need(model), self.budget()
        if need > budget:
            raise LoadFailed(
                f"it takes about {need // _MIB} MiB of memory, and all models may take {budget // _MIB} together: "
                "raise memory_budget, or lower context_size or slots"
            )


def no_room(newcomer: Key, there: Iterable[Key], why: str) -> Overloaded:
    names = ", ".join(sorted({name for name, _ in there}))
    return Overloaded(
        f"No room for the local model '{newcomer[0]}': in memory are {names}, and {why}.", retry_after=1.0
    )
