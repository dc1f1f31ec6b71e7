"""The schema, and the guards that every document passes before anything is executed."""

from collections.abc import Iterator

import strawberry
from graphql import GraphQLError, NoSchemaIntrospectionCustomRule, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from app.api.graphql import limits, measure
from app.api.graphql.errors import INVALID, log_defects
from app.api.graphql.guard import guard
from app.api.graphql.operations import Mutation, Query
from app.api.graphql.scalars import SCALARS
from app.api.graphql.subscriptions import Subscription
from app.domain.errors import InvalidRequest


class Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log what is a defect, and only that: everything else is the caller's to know."""
        log_defects(errors, execution_context.context.id if execution_context else "")


class Limits(SchemaExtension):
    """Bounds a document as it is parsed, and again by its measure before anything quadratic sees it."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options["max_tokens"] = limits.TOKENS
        yield

    def on_validate(self) -> Iterator[None]:
        asked = self.execution_context
        assert asked.graphql_document is not None
        try:
            measure.check(asked.schema._schema, asked.graphql_document, asked.variables)
            _check_named(asked)
        except InvalidRequest as error:
            # Errors that stand there already keep the validator from running.
            asked.pre_execution_errors = [GraphQLError(error.message, original_error=error)]
        else:
            if not asked.context.introspects:
                asked.validation_rules = (*asked.validation_rules, NoSchemaIntrospectionCustomRule)
        yield


def _check_named(asked: ExecutionContext) -> None:
    """The library would run the first of several operations. Raises InvalidRequest."""
    assert asked.graphql_document is not None
    operations = [each for each in asked.graphql_document.definitions if isinstance(each, OperationDefinitionNode)]
    if len(operations) > 1 and asked._provided_operation_name is None:
        raise InvalidRequest("Several operations are there: say which by `operationName`.", code=INVALID)


def build_schema() -> Schema:
    config = StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True)
    schema = Schema(Query, Mutation, Subscription, extensions=[Limits], config=config)
    guard(schema._schema)
    return schema
