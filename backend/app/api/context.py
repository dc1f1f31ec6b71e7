"""What every front-end is handed: the parts behind it. Bootstrap makes one and shares it with all.

A front-end that is started by the manager asks for it: `self.context.resource(ApiContext)`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from app.accounts.accounts import Accounts, without_accounts
from app.accounts.usage.ledger import Ledger
from app.api.policy import ApiPolicy
from app.core.integration_framework import IntegrationManager
from app.core.jobs import Jobs
from app.domain.errors import NotFound
from app.domain.limits import Admission
from app.inference.explanation import Explanation
from app.inference.once.once import Once, in_memory
from app.inference.recent import RecentCalls
from app.inference.router import Router
from app.inference.tally import Tally

Explain = Callable[[str, str | None], Awaitable[Explanation | None]]
Reload = Callable[[], Awaitable[Mapping[str, Any]]]


async def _nothing_known(id: str, principal: str | None) -> Explanation | None:
    return None


def _no_jobs() -> Jobs:
    return Jobs({})


class ApiContext(msgspec.Struct, frozen=True, kw_only=True):
    """`policy` gives the current snapshot; `ready` whether requests should be sent here; `reload` applies the
    configuration anew and tells what changed, raising InvalidRequest when it is refused; `tally` holds the figures
    since the start, `recent` the last calls, `ledger` all of them, where one is kept; `explain` tells of one by
    its id, of a principal's own where one is named; `admission` knows the tiers; `once` opens what carries an
    Idempotency-Key; `jobs` fetch and load models.
    """

    router: Router
    manager: IntegrationManager
    policy: Callable[[], ApiPolicy]
    ready: Callable[[], bool]
    reload: Reload
    explain: Explain = _nothing_known
    tally: Tally = msgspec.field(default_factory=Tally)
    recent: RecentCalls = msgspec.field(default_factory=RecentCalls)
    once: Once = msgspec.field(default_factory=in_memory)
    accounts: Accounts = msgspec.field(default_factory=without_accounts)
    ledger: Ledger | None = None
    admission: Admission | None = None
    jobs: Jobs = msgspec.field(default_factory=_no_jobs)

    def check_serving(self, front_end: str) -> None:
        """Raises NotFound while the front-end is switched off."""
        if not self.manager.serves(front_end):
            raise NotFound(f"The front-end '{front_end}' is switched off.", code="front_end_off")
