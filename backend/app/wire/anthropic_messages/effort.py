"""How much the model shall think: `thinking` and `output_config` here, one word in the domain.

https://platform.claude.com/docs/en/build-with-claude/thinking
"""

from typing import Any

from app.domain.chat import ResponseFormat
from app.domain.errors import UnsupportedFeature
from app.wire.fields import Fields

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
# Up to this many tokens of thinking a budget counts as that effort.
_BUDGETS = ((4_096, "low"), (16_384, "medium"))
_LARGE_BUDGET = 32_768


def decode_effort(fields: Fields) -> tuple[str | None, ResponseFormat | None]:
    """The effort and the form of the answer. `thinking` stays in place, whole.

    Thinking that is off, or left to the model, gives no effort: many servers know no word for it.
    """
    effort, form = None, None
    if config := fields.child("output_config"):
        effort, form = config.text("effort"), _decode_format(config)
        fields.prune("output_config")
    return effort or _from_budget(fields.child("thinking")), form


def _from_budget(thinking: Fields | None) -> str | None:
    if thinking is None or thinking.rest.get("type") != "enabled":
        return None
    budget = thinking.rest.get("budget_tokens")
    if type(budget) is not int:
        raise thinking.wrong("budget_tokens", "an integer")
    return next((effort for limit, effort in _BUDGETS if budget <= limit), "high")


def budget_for(effort: str) -> int:
    """The tokens of thinking that are meant by `effort`, for a model that wants them counted."""
    return next((limit for limit, word in _BUDGETS if word == effort), _LARGE_BUDGET)


def _decode_format(config: Fields) -> ResponseFormat | None:
    form = config.child("format")
    if form is None or form.rest.get("type") != "json_schema":
        return None
    schema = form.object("schema")
    if schema is None:
        raise form.wrong("schema", "an object")
    del form.rest["type"]
    config.prune("format")
    return ResponseFormat(kind="json_schema", schema=schema, strict=True)


def encode_effort(
    effort: str | None, form: ResponseFormat | None, kept: dict[str, Any], missed: list[str]
) -> dict[str, Any]:
    """Raises UnsupportedFeature for JSON without a schema, which this API can't promise."""
    known: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if effort == "none":
        known["thinking"] = {"type": "disabled"}
    elif effort is not None and not _said_by_budget(effort, kept):
        if effort in _EFFORTS:
            config["effort"] = _EFFORTS[effort]
        else:
            missed.append("reasoning_effort")
    if form is not None and form.kind == "json_object":
        raise UnsupportedFeature(
            "The model's provider gives JSON by a schema only: use json_schema.", param="response_format"
        )
    if form is not None and form.kind == "json_schema":
        config["format"] = {"type": "json_schema", "schema": form.schema or {}}
    return {**known, "output_config": config} if config else known


def _said_by_budget(effort: str, kept: dict[str, Any]) -> bool:
    thinking = kept.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return False
    budget = thinking.get("budget_tokens")
    return type(budget) is int and effort == next((word for limit, word in _BUDGETS if budget <= limit), "high")
