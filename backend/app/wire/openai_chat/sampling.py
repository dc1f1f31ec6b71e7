"""The knobs that chat and text completions share, and which of them a server takes."""

from typing import Any

import msgspec

from app.domain.chat import Sampling
from app.wire.fields import Fields

LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a server of this format takes, as data; OpenAI's own differs from most others.

    `limit_field`: its name for the token limit. `top_k`, `reasoning` (thinking given back in later turns),
    `developer` (the role, OpenAI's own): whether it knows them; if not, the first two are dropped and the role
    becomes system.
    """

    limit_field: str = "max_tokens"
    top_k: bool = True
    reasoning: bool = True
    developer: bool = False


DEFAULT_PROFILE = Profile()
OPENAI_PROFILE = Profile(limit_field="max_completion_tokens", top_k=False, reasoning=False, developer=True)
# Of those who know OpenAI's parameters and no others.
PLAIN_PROFILE = Profile(top_k=False, reasoning=False)


def decode_sampling(fields: Fields, **own: Any) -> Sampling:
    """`own`: the knobs that the caller's format words in its own way."""
    return Sampling(
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        seed=fields.integer("seed"),
        stop=_stop(fields),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        logit_bias=_bias(fields),
        n=fields.count("n", 1),
        **own,
    )


def _stop(fields: Fields) -> tuple[str, ...]:
    """A lone string and an array of it mean the same; it is given back as an array."""
    if type(fields.rest.get("stop")) is str:
        return (fields.required_text("stop"),)
    texts = fields.array("stop")
    if not all(type(text) is str for text in texts):
        raise fields.wrong("stop", "a string or an array of strings")
    return tuple(texts)


def _bias(fields: Fields) -> dict[str, float] | None:
    bias = fields.object("logit_bias")
    if bias is not None and not all(type(value) in (int, float) for value in bias.values()):
        raise fields.wrong("logit_bias", "an object of numbers")
    return bias


def take_include_usage(fields: Fields) -> bool:
    """Whether a stream shall end with its token counts."""
    options = fields.child("stream_options")
    if options is None:
        return False
    include = options.switch("include_usage")
    fields.prune("stream_options")
    return include


def encode_sampling(sampling: Sampling, profile: Profile, dropped: list[str]) -> dict[str, Any]:
    """The knobs that are set. The token limit and logprobs are the caller's."""
    known: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k if profile.top_k else None,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logit_bias": sampling.logit_bias,
        "n": sampling.n if sampling.n != 1 else None,
    }
    if sampling.top_k is not None and not profile.top_k:
        dropped.append("top_k")
    return {name: value for name, value in known.items() if value is not None}
