"""Which tier a caller is in: that of its key, else the highest that it has a group of, else the default one."""

import logging
from collections.abc import Iterable, Mapping

from app.domain.limits import Tier
from app.domain.principal import Principal

logger = logging.getLogger(__name__)


class Tiers:
    """A snapshot. `default`: of those who are in no other."""

    def __init__(self, tiers: Iterable[Tier] = (), default: str | None = None) -> None:
        ranked = sorted(tiers, key=lambda tier: (-tier.level, tier.name))
        self.by_name: Mapping[str, Tier] = {tier.name: tier for tier in ranked}
        self._by_group: dict[str, int] = {}
        self._ranked = ranked
        for place, tier in enumerate(ranked):
            for group in tier.groups:
                self._by_group.setdefault(group, place)
        self._default = self.by_name.get(default) if default is not None else None
        self._missed: set[str] = set()

    def of(self, principal: Principal) -> Tier | None:
        """A key may name a tier that is not there any more. Then it counts as one that names none; where nothing
        else is found, the lowest tier holds.
        """
        if principal.tier is not None:
            named = self.by_name.get(principal.tier)
            return named if named is not None else self._instead(principal)
        return self._found(principal)

    def _found(self, principal: Principal) -> Tier | None:
        places = [self._by_group[group] for group in principal.groups if group in self._by_group]
        return self._ranked[min(places)] if places else self._default

    def _instead(self, principal: Principal) -> Tier | None:
        found = self._found(principal) or (self._ranked[-1] if self._ranked else None)
        if principal.tier not in self._missed and principal.tier is not None:
            self._missed.add(principal.tier)
            which = f"'{found.name}' counts" if found is not None else "no limits hold"
            logger.warning(
                "there are keys of the tier '%s', which there is not; %s for them", principal.tier, which
            )
        return found
