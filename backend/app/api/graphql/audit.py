"""The audit log as GraphQL shows it."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from app.accounts.audit.schemas import AuditFilter, Record
from app.api.graphql.keys import check_first
from app.api.graphql.request import Asking
from app.api.graphql.scalars import Count, moment, seconds


@strawberry.type(description="Something that was done to the platform. Records are never changed.")
class AuditRecord:
    id: Count
    at: datetime
    actor: str = strawberry.field(description="The principal who did it.")
    action: str = strawberry.field(description="What was done to which kind of thing, such as `key.create`.")
    object: str
    before: JSON | None
    after: JSON | None
    request_id: str
    front_end: str


@strawberry.input(description="`action`: one, or all of a kind of thing, such as `key.`.")
class AuditFilterInput:
    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def audit_log(
    info: Asking, where: AuditFilterInput | None = None, first: int = 50, after: Count | None = None
) -> list[AuditRecord]:
    check_first(first)
    asked = where or AuditFilterInput()
    wanted = AuditFilter(
        actor=asked.actor,
        action=asked.action,
        object=asked.object,
        since=seconds(asked.since) if asked.since else None,
        until=seconds(asked.until) if asked.until else None,
        limit=first,
        after=after,
    )
    return [_shown(record) for record in (await info.context.api.accounts.audit.page(wanted)).records]


def _shown(record: Record) -> AuditRecord:
    return AuditRecord(
        id=Count(record.id),
        at=moment(record.at),
        actor=record.actor,
        action=record.action,
        object=record.object,
        before=record.before,
        after=record.after,
        request_id=record.request_id,
        front_end=record.front_end,
    )
