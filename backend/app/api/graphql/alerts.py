"""Alerts as GraphQL shows them."""

from datetime import datetime

import strawberry

from app.api.alerts import board
from app.api.graphql.request import Asking
from app.api.graphql.scalars import moment


@strawberry.type
class AlertLabel:
    name: str
    value: str


@strawberry.type(description="An alert that there is now, as Alertmanager has it.")
class Alert:
    id: strawberry.ID
    name: str
    severity: str
    state: str = strawberry.field(
        description="active, or suppressed by a silence or by an alert that is its cause."
    )
    summary: str
    description: str
    since: datetime
    labels: list[AlertLabel]
    silenced_by: list[strawberry.ID] = strawberry.field(description="The ids of silences.")
    inhibited_by: list[strawberry.ID] = strawberry.field(description="The ids of alerts.")


async def list_alerts(info: Asking) -> list[Alert]:
    return [
        Alert(
            id=strawberry.ID(found.id),
            name=found.name,
            severity=found.severity,
            state=found.state,
            summary=found.summary,
            description=found.description,
            since=moment(found.since),
            labels=[AlertLabel(name=name, value=value) for name, value in sorted(found.labels.items())],
            silenced_by=[strawberry.ID(id) for id in found.silenced_by],
            inhibited_by=[strawberry.ID(id) for id in found.inhibited_by],
        )
        for found in await board(info.context.api).alerts()
    ]
