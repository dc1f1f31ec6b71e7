"""Who asks."""

import msgspec

from app.domain.patterns import matches
from app.domain.roles import Right, rights_of


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is stable and safe to log; a credential is never part of it. What belongs to a principal (stored and
    cached answers, records) is kept under its `id`.

    `key`: the id of the virtual key that was shown. `team` and `groups`: whom it belongs to. `tier`: the limits
    that hold for it, by name. `models`: patterns of the models that it may use; none means all.
    `line`: the ids of the keys above its key, from the top, and its own; of who has none, what stands above
    the keys that it issues.
    `grants_for`: seconds that a key may live, at most, which it issues without having shown one; None for no end.
    `rank`: where requests have to wait, those of a higher one go first.
    """

    id: str
    roles: frozenset[str] = frozenset({"user"})
    key: str | None = None
    team: str | None = None
    groups: tuple[str, ...] = ()
    tier: str | None = None
    models: tuple[str, ...] = ()
    line: tuple[str, ...] = ()
    rank: int = 0
    grants_for: float | None = None

    @property
    def holder(self) -> str:
        """Whose use is counted together: all keys below one share its limits, or issuing keys would be a way round
        them.
        """
        return f"key:{self.line[0]}" if self.line else self.id

    @property
    def purse(self) -> str | None:
        """What it spends is counted under this: its key, or what stands above the keys that it issues."""
        return self.line[-1] if self.line else self.key

    def may(self, right: Right) -> bool:
        return right in rights_of(self.roles)

    def may_use(self, model: str) -> bool:
        """`model` as the caller names it."""
        return not self.models or matches(self.models, model)


ANONYMOUS = Principal(id="anonymous")
