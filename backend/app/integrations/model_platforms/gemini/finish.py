"""Why an answer ended. https://ai.google.dev/api/generate-content#FinishReason"""

from collections.abc import Mapping

from app.domain.chat import FinishReason
from app.domain.errors import UpstreamError

_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    # Google's own OpenAI endpoint calls it that too.
    "OTHER": "content_filter",
}
# No ends but failures: another try may well succeed, and an end would look like an answer.
_FAILURES: Mapping[str, str] = {
    "MALFORMED_FUNCTION_CALL": "wrote a tool call that can't be read",
    "UNEXPECTED_TOOL_CALL": "called a tool that it was not given",
    "TOO_MANY_TOOL_CALLS": "called too many tools",
    "MALFORMED_RESPONSE": "wrote an answer that can't be read",
    "MISSING_THOUGHT_SIGNATURE": "found a tool call without its signature",
    "PUP_LIMITED_DISABLED": "serves the platform's account no longer",
    "NO_IMAGE": "made no image",
    "IMAGE_OTHER": "made no image",
}


def decode_finish(word: str, provider: str, *, called: bool) -> FinishReason:
    """`called`: the answer holds a tool call, which Gemini has no reason of its own for. An unknown word is taken
    for an end. Raises UpstreamError for a failure.
    """
    if failure := _FAILURES.get(word):
        raise UpstreamError(f"'{provider}' broke off its answer: the model {failure}.", provider=provider)
    reason = _REASONS.get(word, "stop")
    return "tool_calls" if called and reason == "stop" else reason
