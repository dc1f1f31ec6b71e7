"""Holds every operation against the table of access, as the schema is built: one that is not there is nobody's."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema

from app.api.access import check_access

KINDS = ("Query", "Mutation", "Subscription")


def guard(schema: GraphQLSchema) -> None:
    for kind in KINDS:
        operations = schema.type_map[kind]
        assert isinstance(operations, GraphQLObjectType)
        for name, field in operations.fields.items():
            route = f"GraphQL {kind}.{name}"
            if kind == "Subscription":
                field.subscribe = _guarded(field.subscribe, route)
            else:
                field.resolve = _guarded(field.resolve, route)


def _guarded(resolve: Callable[..., Any] | None, route: str) -> Callable[..., Any]:
    assert resolve is not None

    @wraps(resolve)
    def checked(source: Any, info: "GraphQLResolveInfo[Any]", **arguments: Any) -> Any:
        check_access(info.context.principal, route)
        return resolve(source, info, **arguments)

    return checked
