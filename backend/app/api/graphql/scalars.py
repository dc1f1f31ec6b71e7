"""Scalars beyond GraphQL's own."""

from datetime import UTC, datetime
from typing import NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

Count = NewType("Count", int)
"""GraphQL's Int ends at 2^31, which bytes and sums of tokens pass."""


def _whole(value: object) -> Count:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GraphQLError("A Count must be a whole number.")
    return Count(value)


SCALARS: dict[object, ScalarDefinition] = {
    Count: strawberry.scalar(
        name="Count", description="A whole number, as a JSON number.", serialize=int, parse_value=_whole
    )
}


def moment(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC)


def seconds(at: datetime) -> float:
    """Unix seconds. Without a zone it is UTC that is meant."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
