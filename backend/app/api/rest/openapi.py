"""The OpenAPI document: what FastAPI knows of its routes, and the raw endpoints that it can't see."""

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.accounts.allowances.schemas import BudgetWanted, TierWanted
from app.accounts.audit.schemas import Record
from app.accounts.keys.schemas import Key, KeyChange, NewKey, Rotation
from app.api.budgets import BudgetShown
from app.api.tiers import TierShown
from app.inference.explanation import Explanation

_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_ANTHROPIC_ERROR = {
    "type": "object",
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
        "request_id": {"type": "string"},
    },
}
_MODEL = {"type": "string", "description": "A name from GET /v1/models, or `integration/model`."}
_SESSION = {
    "name": "x-session-id",
    "in": "header",
    "schema": {"type": "string"},
    "description": "What belongs together, for models of the strategy `sticky`.",
}
_ONCE = {
    "name": "idempotency-key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "description": "Whoever sends the same request again with its key gets the answer that it had before.",
}
_STREAM = {"type": "boolean", "default": False, "description": "Answer as server-sent events."}

_RAW: dict[str, tuple[str, str, dict[str, Any]]] = {
    "/v1/chat/completions": (
        "Create a chat completion",
        "messages",
        {
            "messages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
                        "content": {
                            "description": "Text, or a list of parts.",
                            "type": ["string", "array", "null"],
                        },
                    },
                    "required": ["role"],
                },
            },
            "stream": _STREAM,
            "tools": {"type": "array", "items": {"type": "object"}},
            "response_format": {"type": "object"},
            "max_completion_tokens": {"type": "integer"},
            "temperature": {"type": "number"},
        },
    ),
    "/v1/completions": (
        "Create a text completion",
        "prompt",
        {
            "prompt": {"description": "Text, token ids, or a list of either.", "type": ["string", "array"]},
            "stream": _STREAM,
            "max_tokens": {"type": "integer"},
            "temperature": {"type": "number"},
        },
    ),
    "/v1/responses": (
        "Create a response",
        "input",
        {
            "input": {"description": "Text, or a list of items.", "type": ["string", "array"]},
            "instructions": {"type": "string"},
            "previous_response_id": {"type": "string", "description": "Go on from a stored response."},
            "store": {"type": "boolean", "default": True},
            "stream": _STREAM,
            "tools": {"type": "array", "items": {"type": "object"}},
            "text": {"type": "object", "description": "`format` is the form that the answer shall have."},
            "reasoning": {"type": "object"},
            "max_output_tokens": {"type": "integer"},
            "temperature": {"type": "number"},
        },
    ),
    "/v1/embeddings": (
        "Create embeddings",
        "input",
        {
            "input": {"description": "Text, token ids, or a list of either.", "type": ["string", "array"]},
            "encoding_format": {"enum": ["float", "base64"]},
            "dimensions": {"type": "integer"},
        },
    ),
    "/v1/rerank": (
        "Rank documents by a query",
        "query",
        {
            "query": {"type": "string"},
            "documents": {
                "description": "Required. Texts, or objects with a `text`.",
                "type": "array",
                "items": {"type": ["string", "object"]},
            },
            "top_n": {"type": "integer"},
            "return_documents": {"type": "boolean", "default": False},
        },
    ),
    "/v1/messages": (
        "Create a message",
        "messages",
        {
            "messages": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "role": {"enum": ["user", "assistant", "system"]},
                        "content": {"description": "Text, or a list of blocks.", "type": ["string", "array"]},
                    },
                    "required": ["role", "content"],
                },
            },
            "max_tokens": {"type": "integer", "description": "Required."},
            "system": {"description": "Text, or a list of text blocks.", "type": ["string", "array"]},
            "stream": _STREAM,
            "tools": {"type": "array", "items": {"type": "object"}},
            "thinking": {"type": "object"},
        },
    ),
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for path, (summary, required, fields) in _RAW.items():
            vendor = "Anthropic" if path == "/v1/messages" else "OpenAI"
            document["paths"][path] = {"post": _operation(vendor, summary, required, fields)}
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(
            _structs(
                *(Explanation, Key, NewKey, KeyChange, Rotation, Record),
                *(TierShown, TierWanted, BudgetShown, BudgetWanted),
            )
        )
        components.setdefault("securitySchemes", {})["key"] = {"type": "http", "scheme": "bearer"}
        document["security"] = [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema


def wanted(struct: str) -> dict[str, Any]:
    """For a route whose body is one of the structs below: its `openapi_extra`."""
    return {"requestBody": {"content": {"application/json": {"schema": _reference(struct)}}}}


def told(struct: str) -> dict[int | str, dict[str, Any]]:
    """For a route that answers with one: its `responses`."""
    return {200: {"description": "Done.", "content": {"application/json": {"schema": _reference(struct)}}}}


def _reference(struct: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{struct}"}


def _structs(*types: type) -> dict[str, Any]:
    """The schemas of msgspec's structs, which FastAPI can't read."""
    return msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")[1]


def _operation(vendor: str, summary: str, required: str, fields: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["model", required],
        "properties": {"model": _MODEL, **fields},
        "additionalProperties": True,
    }
    error = _ANTHROPIC_ERROR if vendor == "Anthropic" else _ERROR
    return {
        "tags": [vendor],
        "summary": summary,
        "parameters": [_SESSION, _ONCE],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {
                "description": f"The answer, as {vendor}'s API reference describes it.",
                "content": {"application/json": {}, "text/event-stream": {}},
            },
            "default": {"description": "An error.", "content": {"application/json": {"schema": error}}},
        },
    }
