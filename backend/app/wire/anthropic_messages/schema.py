"""A JSON Schema as this API's structured outputs take it: objects are closed, and a few keywords are refused.

What such a keyword asks for is told in the description instead, where the model reads it.
https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
"""

from typing import Any

import msgspec

_REFUSED = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("maxItems", "uniqueItems", "minProperties", "maxProperties"),
    }
)
_NAMED = frozenset({"properties", "$defs", "definitions"})
_LISTED = frozenset({"anyOf", "allOf", "prefixItems"})


def structured(schema: Any) -> Any:
    """`schema`, or what is like it. An object that says which further properties it may have is left open."""
    if not isinstance(schema, dict):
        return schema
    known = {name: _inner(name, value) for name, value in _plain(schema).items() if not _refused(name, value)}
    if told := [f"{name}: {_text(value)}" for name, value in schema.items() if _refused(name, value)]:
        known["description"] = " ".join(filter(None, [known.get("description"), f"({', '.join(told)})"]))
    if known.get("type") == "object":
        known.setdefault("additionalProperties", False)
    return known


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Alternatives of which just one may hold are alternatives here."""
    if "oneOf" not in schema or "anyOf" in schema:
        return schema
    return {"anyOf" if name == "oneOf" else name: value for name, value in schema.items()}


def _refused(name: str, value: Any) -> bool:
    return name in _REFUSED or (name == "minItems" and value not in (0, 1))


def _inner(name: str, value: Any) -> Any:
    if name in _NAMED and isinstance(value, dict):
        return {key: structured(inner) for key, inner in value.items()}
    if name in _LISTED and isinstance(value, list):
        return [structured(inner) for inner in value]
    return structured(value) if name == "items" else value


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
