"""The shapes of what Ollama answers to /api/chat, /api/generate and /api/embed.

Fields that the platform has no use for are not named; those that are absent have defaults.
Source: api/types.go of https://github.com/ollama/ollama
"""

import msgspec


class Alternative(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class Logprob(Alternative):
    top_logprobs: list[Alternative] | None = None


class Function(msgspec.Struct):
    """`arguments` stays the JSON text that came, order and all."""

    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class Call(msgspec.Struct):
    function: Function
    id: str = ""


class Body(msgspec.Struct):
    content: str = ""
    thinking: str = ""
    tool_calls: list[Call] | None = None


class Line(msgspec.Struct):
    """One line of /api/chat (`message`) or /api/generate (`response`, `thinking`). Durations in nanoseconds."""

    model: str = ""
    created_at: str = ""
    message: Body | None = None
    response: str = ""
    thinking: str = ""
    done: bool = False
    done_reason: str = ""
    logprobs: list[Logprob] | None = None
    prompt_eval_count: int = 0
    eval_count: int = 0
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_duration: int = 0
    eval_duration: int = 0
    error: str = ""


class Embeddings(msgspec.Struct):
    embeddings: list[tuple[float, ...]]
    model: str = ""
    prompt_eval_count: int = 0
