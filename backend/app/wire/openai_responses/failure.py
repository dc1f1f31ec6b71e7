"""How an answer in this format says that it failed: in its own `error`, in a response.failed event, in an error
event (flat, as documented, or nested, as servers have it)."""

from typing import Any

import msgspec

from app.wire.openai_chat import upstream_errors

_AT_FAULT = ("invalid_", "image_", "empty_image", "unsupported_image", "failed_to_download_image", "bio_policy")


def raise_failure(event: dict[str, Any], provider: str | None) -> None:
    """`event`: the fields of a response.failed or error event, or {"response": the whole answer}.

    Raises what it tells; a whole answer tells of no failure as a rule.
    """
    response = event.get("response")
    error = response.get("error") if type(response) is dict else event.get("error") or event
    if not error and event.get("type") is None:
        return
    code = error.get("code") if type(error) is dict else None
    status = _status(code)
    body = msgspec.json.encode({"error": error})
    raise upstream_errors.decode(status, {}, body, provider or "The provider")


def _status(code: object) -> int:
    """The HTTP status that the format's own codes would have had; 0 where there is none."""
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    if not isinstance(code, str):
        return 0
    if code == "rate_limit_exceeded":
        return 429
    return 400 if code.startswith(_AT_FAULT) else 0
