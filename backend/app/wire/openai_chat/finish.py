"""Why a choice ended, in this format's words and those that its servers have added."""

from typing import Any

from app.domain.chat import FinishReason

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    "function_call": "tool_calls",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "insufficient_system_resource": "error",
    "abort": "error",
}


def decode_finish(word: str) -> tuple[FinishReason, dict[str, Any]]:
    """The reason, and what has to be kept so that `word` is given back. An unknown word is taken for an end."""
    reason = _REASONS.get(word, "stop")
    return reason, {} if word == reason else {"finish_reason": word}


def encode_finish(reason: FinishReason | None, kept: dict[str, Any]) -> str | None:
    """The domain's own five words are this format's."""
    word = kept.get("finish_reason")
    return word if isinstance(word, str) and _REASONS.get(word, "stop") == reason else reason
