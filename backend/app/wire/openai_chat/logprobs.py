"""Log probabilities of the tokens of an answer."""

from typing import Any

from app.domain.chat import TokenLogprob
from app.wire.fields import Fields, merge
from app.wire.openai_chat import FORMAT


def take_logprobs(choice: Fields) -> tuple[TokenLogprob, ...]:
    """Those of the text; those of a refusal stay where they are."""
    logprobs = choice.child("logprobs")
    if logprobs is None:
        return ()
    tokens = tuple(_decode(token) for token in logprobs.items("content"))
    if logprobs.rest.get("content") == []:
        del logprobs.rest["content"]
    choice.prune("logprobs")
    return tokens


def _decode(fields: Fields) -> TokenLogprob:
    logprob = fields.number("logprob")
    if logprob is None:
        raise fields.wrong("logprob", "a number")
    token, given = fields.required_text("token"), fields.array("bytes")
    if given and not all(type(byte) is int for byte in given):
        raise fields.wrong("bytes", "an array of integers")
    known_bytes = tuple(given) if given or fields.rest.pop("bytes", None) == [] else None
    top = tuple(_decode(token) for token in fields.items("top_logprobs"))
    fields.rest.pop("top_logprobs", None)
    return TokenLogprob(
        token=token, logprob=logprob, bytes=known_bytes, top=top, extensions=fields.extensions(FORMAT)
    )


def encode_logprobs(tokens: tuple[TokenLogprob, ...]) -> dict[str, Any] | None:
    if not tokens:
        return None
    return {
        "content": [{**_encode(token), "top_logprobs": [_encode(top) for top in token.top]} for token in tokens]
    }


def _encode(token: TokenLogprob) -> dict[str, Any]:
    known = {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}
    return merge(known, token.extensions.get(FORMAT))
