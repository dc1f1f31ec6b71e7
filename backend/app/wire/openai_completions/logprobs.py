"""Log probabilities in four parallel arrays: tokens, token_logprobs, top_logprobs, text_offset."""

from collections.abc import Sequence
from typing import Any

from app.domain.chat import TokenLogprob
from app.wire.fields import Fields
from app.wire.openai_completions import FORMAT


def take_logprobs(choice: Fields) -> tuple[TokenLogprob, ...]:
    """The first token of an echoed prompt has no probability: that null is kept in extensions."""
    logprobs = choice.child("logprobs")
    if logprobs is None:
        return ()
    tokens, values = logprobs.array("tokens"), logprobs.array("token_logprobs")
    tops, offsets = logprobs.array("top_logprobs"), logprobs.array("text_offset")
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        logprobs.rest.pop(name, None)
    choice.prune("logprobs")
    if len(values) != len(tokens):
        raise logprobs.wrong("token_logprobs", "as many as there are tokens")
    return tuple(
        _decode(logprobs, token, value, _at(tops, index), _at(offsets, index))
        for index, (token, value) in enumerate(zip(tokens, values, strict=True))
    )


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _decode(fields: Fields, token: Any, value: Any, top: Any, offset: Any) -> TokenLogprob:
    if type(token) is not str or type(value) not in (int, float, type(None)):
        raise fields.wrong("tokens", "strings, each with its number")
    top = {} if top is None else top
    if type(top) is not dict or not all(type(number) in (int, float) for number in top.values()):
        raise fields.wrong("top_logprobs", "objects of numbers")
    kept: dict[str, Any] = {} if offset is None else {"text_offset": offset}
    if value is None:
        kept["logprob"] = None
    return TokenLogprob(
        token=token,
        logprob=value or 0.0,
        top=tuple(TokenLogprob(token=name, logprob=number) for name, number in top.items()),
        extensions={FORMAT: kept} if kept else {},
    )


def encode_logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    """None where there are none."""
    if not tokens:
        return None
    kept = [token.extensions.get(FORMAT, {}) for token in tokens]
    known: dict[str, Any] = {
        "tokens": [token.token for token in tokens],
        "token_logprobs": [
            None if "logprob" in its else token.logprob for token, its in zip(tokens, kept, strict=True)
        ],
        "top_logprobs": [{top.token: top.logprob for top in token.top} or None for token in tokens],
    }
    if not any(known["top_logprobs"]):
        known["top_logprobs"] = None
    if all("text_offset" in its for its in kept):
        known["text_offset"] = [its["text_offset"] for its in kept]
    return known
