"""The fields of a request that its answer repeats, as https://platform.openai.com/docs/api-reference/responses/object
has them. What the caller left out and the platform does not decide is null."""

from typing import Any

import msgspec

from app.wire.openai_responses.head import ResponsesHead

_AS_THEY_CAME = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
    "temperature",
    "top_p",
    "user",
)


def echo(head: ResponsesHead) -> dict[str, Any]:
    known = {name: _given(getattr(head, name)) for name in _AS_THEY_CAME}
    text = head.text or {}
    return {
        **known,
        "background": False,
        "metadata": head.metadata or {},
        "parallel_tool_calls": head.parallel_tool_calls is not False,
        "reasoning": {"effort": None, "summary": None, **(head.reasoning or {})},
        "service_tier": _given(head.service_tier) or "default",
        "store": head.store,
        "text": {**text, "format": text.get("format") or {"type": "text"}},
        "tool_choice": _given(head.tool_choice) or "auto",
        "tools": head.tools or [],
        "top_logprobs": head.top_logprobs or 0,
        "truncation": head.truncation or "disabled",
    }


def _given(value: object) -> object:
    """A copy: a raw value would hold on to the whole body."""
    if value is msgspec.UNSET:
        return None
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
