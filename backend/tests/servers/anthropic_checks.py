"""What the Messages API refuses, and in which words: the part of it that a gateway can get wrong.

https://platform.claude.com/docs/en/api/errors and the reference of each field
"""

import re
from typing import Any

from tests.servers.anthropic_models import FakeModel

Json = dict[str, Any]

VERSIONS = ("2023-06-01", "2026-10-21")
SIGNATURES: set[str] = set()
"""Of the thinking that the fake has written: it takes back no other."""

_COUNTED = frozenset(
    {
        *("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"),
        *("speed", "context_management", "mcp_servers"),
    }
)
_FIELDS = _COUNTED | {
    *("max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"),
    *("container", "inference_geo", "diagnostics"),
}
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NO_SCHEMA = ("minimum", "maximum", "minLength", "maxLength", "maxItems", "oneOf")


class Refused(Exception):
    def __init__(self, message: str, status: int = 400, type: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type


def check(body: Json, model: FakeModel, version: str, *, count: bool = False) -> None:
    """Raises Refused."""
    fields = _COUNTED if count else _FIELDS
    if version >= "2026-10-21":
        fields = fields - {"temperature", "top_p", "top_k"}
    for name in body.keys() - fields:
        raise Refused(f"{name}: Extra inputs are not permitted")
    if not count:
        _check_limit(body, model)
    if not body.get("messages"):
        raise Refused("messages: at least one message is required")
    _check_turns(_turns(body["messages"], model))
    _check_sampling(body, model)
    _check_thinking(body, model)
    _check_output(body, model)


def _check_limit(body: Json, model: FakeModel) -> None:
    if "max_tokens" not in body:
        raise Refused("max_tokens: Field required")
    if body["max_tokens"] > model.max_tokens:
        raise Refused(
            f"max_tokens: {body['max_tokens']} > {model.max_tokens}, which is the maximum allowed number of "
            f"output tokens for {model.id}"
        )


def _turns(messages: list[Json], model: FakeModel) -> list[tuple[str, list[Json]]]:
    """Roles and blocks; neighbours of one role are one turn."""
    turns: list[tuple[str, list[Json]]] = []
    for at, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role not in ("user", "assistant", *(("system",) if model.instructed else ())):
            raise Refused(f"messages.{at}: role '{role}' is not supported on this model")
        if not content:
            raise Refused(f"messages.{at}: all messages must have non-empty content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    return turns


def _check_turns(turns: list[tuple[str, list[Json]]]) -> None:
    waiting: set[str] = set()
    for at, (_, blocks) in enumerate(turns):
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if waiting - results:
            raise Refused(
                f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after"
            )
        for index, block in enumerate(blocks):
            _check_block(f"messages.{at}.content.{index}", block)
        waiting = {block["id"] for block in blocks if block["type"] == "tool_use"}


def _check_block(at: str, block: Json) -> None:
    match block["type"]:
        case "text" if not block["text"]:
            raise Refused("messages: text content blocks must be non-empty")
        case "tool_use" if not _ID.fullmatch(block["id"]):
            raise Refused(f"{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        case "thinking" if block["signature"] not in SIGNATURES:
            raise Refused(f"{at}: Invalid `signature` in `thinking` block")
        case "document" if block["source"]["type"] == "base64":
            if block["source"]["media_type"] != "application/pdf":
                raise Refused(f"{at}.document.source.base64.media_type: Input should be 'application/pdf'")


def _check_sampling(body: Json, model: FakeModel) -> None:
    given = {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body}
    if not model.sampled:
        for name, value in given.items():
            if name == "top_k" or value != 1:
                raise Refused(f"`{name}` is deprecated for this model.")
    elif {"temperature", "top_p"} <= given.keys():
        raise Refused("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if not 0 <= given.get("temperature", 0) <= 1:
        raise Refused("temperature: range: 0..1")
    if any(not text.strip() for text in body.get("stop_sequences", ())):
        raise Refused("stop_sequences: each stop sequence must contain non-whitespace")


def _check_thinking(body: Json, model: FakeModel) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking["type"]
    if kind not in model.thinking:
        raise Refused(f"thinking.type: `{kind}` is not supported for this model.")
    if kind in ("adaptive", "enabled") and body.get("temperature", 1) != 1:
        raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
    if kind == "enabled":
        _check_budget(thinking["budget_tokens"], body)


def _check_budget(budget: int, body: Json) -> None:
    if budget < 1024:
        raise Refused("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= body.get("max_tokens", budget + 1):
        raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
    answers = [message for message in body["messages"] if message["role"] == "assistant"]
    blocks = answers[-1]["content"] if answers and isinstance(answers[-1]["content"], list) else []
    if any(block["type"] == "tool_use" for block in blocks) and blocks[0]["type"] != "thinking":
        raise Refused("Expected `thinking` or `redacted_thinking`, but found `tool_use`.")


def _check_output(body: Json, model: FakeModel) -> None:
    config = body.get("output_config", {})
    effort = config.get("effort")
    if effort is not None and effort not in model.efforts:
        raise Refused(f"This model does not support effort level '{effort}'.")
    schemas = [config["format"]["schema"]] if "format" in config else []
    strict = [tool["input_schema"] for tool in body.get("tools", ()) if tool.get("strict")]
    if (schemas or strict) and not model.structured:
        raise Refused("output_config.format: structured outputs are not supported on this model.")
    for schema in schemas + strict:
        _check_schema(schema)


def _check_schema(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise Refused("For 'object' type, 'additionalProperties' must be explicitly set to false")
    for name in _NO_SCHEMA:
        if name in schema and not isinstance(schema[name], dict):
            raise Refused(f"output_config.format.schema: property '{name}' is not supported")
    for inner in schema.get("properties", {}).values():
        _check_schema(inner)
