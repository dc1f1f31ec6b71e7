"""Alerts and silences, for every front-end that shows them."""

from collections.abc import Sequence

from app.accounts.audit.schemas import Actor
from app.api.context import ApiContext
from app.domain.alerts import Alert, AlertBoard, NewSilence, Silence
from app.domain.errors import NotFound


def board(context: ApiContext) -> AlertBoard:
    """Raises NotFound where there is none, or it does not answer now."""
    for found in context.manager.providing(AlertBoard):
        return found
    raise NotFound(
        "There are no alerts to be seen: no integration 'alertmanager' serves now.", code="no_alertmanager"
    )


def last_alerts(context: ApiContext) -> Sequence[Alert] | None:
    """As they were seconds ago, without waiting; None where nobody knows."""
    for found in context.manager.providing(AlertBoard):
        return found.last_alerts()
    return None


async def silence(context: ApiContext, actor: Actor, wanted: NewSilence) -> Silence:
    """Raises InvalidRequest."""
    made = await board(context).silence(wanted, actor.principal.id)
    await context.accounts.audit.record(actor, "alerts.silence", f"silence:{made.id}", after=made)
    return made


async def expire(context: ApiContext, actor: Actor, id: str) -> None:
    """Raises NotFound."""
    await board(context).expire(id)
    await context.accounts.audit.record(actor, "alerts.expire", f"silence:{id}")
