"""Why an answer ended, in this format's words."""

from typing import Any

from app.domain.chat import FinishReason
from app.domain.errors import UpstreamError

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "stop",
    "model_context_window_exceeded": "length",
}
_WORDS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def decode_stop(word: str, stop_sequence: str | None) -> tuple[FinishReason, dict[str, Any]]:
    """The reason, and what has to be kept so that `word` is given back. An unknown word is taken for an end."""
    reason = _REASONS.get(word, "stop")
    return reason, {} if word == _word(reason, stop_sequence) else {"stop_reason": word}


def encode_stop(
    reason: FinishReason | None,
    stop_sequence: str | None,
    kept: dict[str, Any],
    *,
    called: bool = False,
    refused: bool = False,
) -> str:
    """`called`: the answer has a tool call, `refused`: a refusal, whatever the server gave as reason.

    Raises UpstreamError for an end by an error: this format has no word for it, and it must not look like an end.
    """
    if reason == "error":
        raise UpstreamError("The model's provider failed while it was answering.")
    word = kept.get("stop_reason")
    if isinstance(word, str) and _REASONS.get(word, "stop") == (reason or "stop"):
        return word
    if called and reason in ("stop", None):
        return "tool_use"
    if refused and reason in ("stop", None):
        return "refusal"
    return _word(reason or "stop", stop_sequence)


def _word(reason: FinishReason, stop_sequence: str | None) -> str:
    return "stop_sequence" if reason == "stop" and stop_sequence is not None else _WORDS[reason]
