"""What of the ledger a caller is told: his own usage, or everybody's where he may see that."""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from app.accounts.usage.report import DIMENSIONS, Dimension, Report, UsageQuery
from app.api.context import ApiContext
from app.domain.errors import InvalidRequest, NotFound
from app.domain.principal import Principal
from app.domain.roles import Right

DAYS = 30
"""What is told where nobody says since when."""

_SECONDS = re.compile(r"\d{1,11}(\.\d+)?")


async def usage(context: ApiContext, query: UsageQuery, principal: Principal) -> Report:
    """Raises NotFound where no usage is kept, Unavailable while the database does not answer."""
    if context.ledger is None:
        raise NotFound("No usage is kept here: `usage.enabled` or the database is off.", code="usage_off")
    if not principal.may(Right.SEE_REQUESTS):
        query = _own(query, principal)
    return await context.ledger.report(query)


def _own(query: UsageQuery, principal: Principal) -> UsageQuery:
    """Of another's usage there is none."""
    wanted = query.where.get("principal", principal.id)
    where = {**query.where, "principal": wanted if wanted == principal.id else ""}
    return msgspec.structs.replace(query, where=where)


def dimensions(names: Iterable[str]) -> tuple[Dimension, ...]:
    """Raises InvalidRequest."""
    found: list[Dimension] = []
    for name in names:
        for each in DIMENSIONS:
            if each == name:
                found.append(each)
                break
        else:
            raise InvalidRequest(f"`group_by` must be of {', '.join(DIMENSIONS)}.", param="group_by")
    return tuple(found)


def filters(given: Mapping[str, str | None]) -> dict[Dimension, str]:
    """Those of a day and an hour are `from` and `to`."""
    return {
        each: value
        for each in DIMENSIONS
        if each not in ("day", "hour") and (value := given.get(each)) is not None
    }


def period(since: str | None, until: str | None) -> tuple[float, float]:
    """Unix seconds. Raises InvalidRequest."""
    end = time.time() if until is None else moment(until, "to")
    return (end - DAYS * 86_400 if since is None else moment(since, "from")), end


def moment(text: str, param: str) -> float:
    """Unix seconds, of a date, a time or such seconds. A time without a zone is UTC. Raises InvalidRequest."""
    try:
        if _SECONDS.fullmatch(text):
            return float(text)
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        message = (
            f"`{param}` must be a date such as 2026-11-28, a time such as 2026-11-28T10:00:00Z or Unix seconds."
        )
        raise InvalidRequest(message, param=param) from None
