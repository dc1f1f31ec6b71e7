"""What was asked and what it cost, as GraphQL tells it."""

from datetime import datetime
from enum import Enum

import msgspec
import strawberry

from app.accounts.usage.report import Report, Sums, UsageQuery
from app.api.graphql import limits
from app.api.graphql.request import Asking
from app.api.graphql.scalars import Count
from app.api.usage import dimensions, filters, period, usage
from app.domain.errors import InvalidRequest


@strawberry.enum(description="What usage may be grouped by. Days and hours are those of UTC.")
class UsageDimension(Enum):
    DAY = "day"
    HOUR = "hour"
    PRINCIPAL = "principal"
    KEY = "key"
    TEAM = "team"
    MODEL = "model"
    INTEGRATION = "integration"
    FRONT_END = "front_end"


@strawberry.input(description="What must hold of the usage that is told.")
class UsageFilter:
    principal: str | None = None
    key: str | None = None
    team: str | None = None
    model: str | None = None
    integration: str | None = None
    front_end: str | None = None


@strawberry.type(description="One of the groups that a row belongs to.")
class UsageGroup:
    dimension: UsageDimension
    value: str


@strawberry.type(description="The sums of one group.")
class UsageRow:
    group: list[UsageGroup]
    requests: Count
    errors: Count = strawberry.field(description="Without those that were cancelled by their caller.")
    cancelled: Count
    cached: Count = strawberry.field(description="Answered from the cache, or together with another.")
    attempts: Count
    estimated: Count = strawberry.field(description="Requests whose tokens the platform counted itself.")
    unpriced: Count = strawberry.field(description="Requests that no price is known for.")
    input_tokens: Count
    output_tokens: Count
    cached_tokens: Count
    cache_write_tokens: Count
    reasoning_tokens: Count
    seconds: float
    cost: float = strawberry.field(description="US dollars.")


@strawberry.type(description="A page of usage.")
class UsagePage:
    rows: list[UsageRow]
    next: str | None = strawberry.field(description="`after` of the next page; null on the last.")
    complete: bool = strawberry.field(description="Whether all that was recorded here is in there.")


async def resolve(
    info: Asking,
    since: datetime | None = None,
    until: datetime | None = None,
    group_by: list[UsageDimension] | None = None,
    where: UsageFilter | None = None,
    first: int = 100,
    after: str | None = None,
) -> UsagePage:
    if not 1 <= first <= limits.USAGE_ROWS:
        raise InvalidRequest(f"`first` must lie between 1 and {limits.USAGE_ROWS}.", param="first")
    start, end = period(_text(since), _text(until))
    query = UsageQuery(
        since=start,
        until=end,
        group_by=dimensions(each.value for each in group_by or ()),
        where={} if where is None else filters(vars(where)),
        limit=first,
        after=after,
    )
    return _page(await usage(info.context.api, query, info.context.principal))


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _page(report: Report) -> UsagePage:
    rows = [_row(list(zip(report.group_by, group, strict=True)), sums) for group, sums in report.rows]
    return UsagePage(rows=rows, next=report.next, complete=report.complete)


def _row(group: list[tuple[str, str]], sums: Sums) -> UsageRow:
    told = [UsageGroup(dimension=UsageDimension(name), value=value) for name, value in group]
    return UsageRow(group=told, **msgspec.structs.asdict(sums))
