"""How large a document is once its fragments are spread: what the limits are held against, before all else.

Each fragment is measured once, however often it is spread, so a bomb of fragments costs no more than its text.
Nothing here validates: fields that do not exist cost 1 and are the validator's matter.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

from app.api.graphql import limits
from app.domain.errors import InvalidRequest

Variables = Mapping[str, Any]


class Measure(NamedTuple):
    """`depth`: selection sets below each other, this one included."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def beside(self, other: "Measure") -> "Measure":
        return Measure(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.cost + other.cost,
        )


def check(schema: GraphQLSchema, document: DocumentNode, variables: Variables | None) -> None:
    """Raises InvalidRequest for the first limit that the document breaks."""
    definitions = document.definitions
    if len(definitions) > limits.DEFINITIONS:
        raise refusal("too_many_definitions", f"more than {limits.DEFINITIONS} operations and fragments")
    walk = _Walk(schema, definitions, variables or {})
    total = Measure()
    for definition in definitions:
        if isinstance(definition, OperationDefinitionNode):
            total = total.beside(walk.operation(definition))
    if walk.unspread():
        # Not measured, and costly to validate.
        raise refusal("unused_fragment", "a fragment is nowhere spread")
    for code, value, limit, what in (
        ("too_many_fields", total.fields, limits.FIELDS, "fields, its fragments spread"),
        ("too_many_aliases", total.aliases, limits.ALIASES, "aliases, its fragments spread"),
        ("too_many_directives", total.directives, limits.DIRECTIVES, "directives, its fragments spread"),
        ("too_costly", total.cost, limits.COST, "points of cost; ask for fewer things at once"),
    ):
        if value > limit:
            raise refusal(code, f"more than {limit} {what}")


def refusal(code: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"The document was refused: {what}.", code=code)


class _Walk:
    def __init__(self, schema: GraphQLSchema, definitions: tuple[Any, ...], variables: Variables) -> None:
        self._schema = schema
        self._fragments = {
            definition.name.value: definition
            for definition in definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._spread: set[str] = set()
        self._measured: dict[str, Measure | None] = {}
        self._variables = variables
        self._defaults: dict[str, ValueNode] = {}
        self._ceiling = limits.DEPTH

    def operation(self, operation: OperationDefinitionNode) -> Measure:
        # What an integer variable is worth differs by operation, and with it what the fragments cost.
        self._measured.clear()
        definitions = operation.variable_definitions or ()
        self._defaults = {
            each.variable.name.value: each.default_value for each in definitions if each.default_value
        }
        inside = self._set(operation.selection_set, self._schema.get_root_type(operation.operation), 1)
        directives = _directives(operation) + sum(_directives(each) for each in definitions)
        return inside._replace(directives=inside.directives + directives)

    def unspread(self) -> bool:
        return bool(self._fragments.keys() - self._spread)

    def _set(self, selections: SelectionSetNode, parent: GraphQLNamedType | None, level: int) -> Measure:
        if level > self._ceiling:
            raise refusal("too_deep", f"nested deeper than {self._ceiling} levels")
        found = Measure()
        for node in selections.selections:
            step = self._steps[type(node)]
            found = found.beside(step(self, node, parent, level))
        return found._replace(depth=found.depth + 1)

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, level: int) -> Measure:
        name = node.name.value
        introspects = name in {"__schema", "__type"}
        field = _field_of(parent, name)
        inside = Measure()
        if node.selection_set is not None:
            before, self._ceiling = self._ceiling, limits.INTROSPECTION_DEPTH if introspects else self._ceiling
            inside = self._set(node.selection_set, get_named_type(field.type) if field else None, level + 1)
            self._ceiling = before
        # The schema's size does not depend on who asks: introspection is not multiplied.
        factor = 1 if introspects or (parent and parent.name.startswith("__")) else self._factor(node, field)
        return inside._replace(
            fields=inside.fields + 1,
            aliases=inside.aliases + (node.alias is not None),
            directives=inside.directives + _directives(node),
            cost=limits.WEIGHTS.get(name, 1) + factor * inside.cost,
        )

    def _inline(self, node: InlineFragmentNode, parent: GraphQLNamedType | None, level: int) -> Measure:
        condition = node.type_condition
        inner = self._schema.get_type(condition.name.value) if condition else parent
        inside = self._set(node.selection_set, inner, level + 1)
        return inside._replace(directives=inside.directives + _directives(node))

    def _fragment_spread(self, node: FragmentSpreadNode, parent: GraphQLNamedType | None, level: int) -> Measure:
        name = node.name.value
        inside = self._fragment(name, level + 1)
        if level + inside.depth > self._ceiling:
            raise refusal("too_deep", f"nested deeper than {self._ceiling} levels")
        return inside._replace(directives=inside.directives + _directives(node))

    def _fragment(self, name: str, level: int) -> Measure:
        definition = self._fragments.get(name)
        if definition is None:
            return Measure()
        self._spread.add(name)
        if name not in self._measured:
            self._measured[name] = None
            inside = self._set(
                definition.selection_set, self._schema.get_type(definition.type_condition.name.value), level
            )
            self._measured[name] = inside._replace(directives=inside.directives + _directives(definition))
        measured = self._measured[name]
        if measured is None:
            raise refusal("fragment_cycle", f"the fragment '{name[:100]}' spreads itself")
        return measured

    def _factor(self, node: FieldNode, field: GraphQLField | None) -> int:
        """How often what is below the field is computed."""
        if field is None or not _is_list(field.type):
            return 1
        for argument in node.arguments or ():
            if argument.name.value in limits.COUNT_ARGUMENTS:
                return max(1, self._number(argument.value))
        return limits.LIST_FACTOR

    def _number(self, value: ValueNode) -> int:
        if isinstance(value, VariableNode):
            name = value.name.value
            given = self._variables.get(name)
            if isinstance(given, int):
                return given
            value = self._defaults.get(name, value)
        return int(value.value) if isinstance(value, IntValueNode) else limits.LIST_FACTOR

    _steps: Mapping[type[Any], Callable[["_Walk", Any, GraphQLNamedType | None, int], Measure]] = {
        FieldNode: _field,
        InlineFragmentNode: _inline,
        FragmentSpreadNode: _fragment_spread,
    }


def _field_of(parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
    if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return cast("GraphQLField | None", parent.fields.get(name))
    return None


def _is_list(type_: Any) -> bool:
    return bool(is_list_type(type_.of_type if is_non_null_type(type_) else type_))


def _directives(node: Any) -> int:
    return len(node.directives or ())
