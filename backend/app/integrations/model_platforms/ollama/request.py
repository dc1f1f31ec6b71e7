"""Domain requests as bodies for /api/chat, /api/generate and /api/embed.

Nothing may be cut off in silence. Ollama's defaults are to drop old messages (`truncate`) and to slide the window
(`shift`) when a prompt does not fit num_ctx, and to say nothing of it; both are always sent as false, so that the
server refuses instead (server/routes.go and llm/llama_server.go of https://github.com/ollama/ollama; `truncate`
and `shift` exist on chat and generate since v0.12.6, on embed always). num_ctx is always sent too, and always the
same for a model: a server's own default is 4096 on a small GPU, and a change makes Ollama load the model again.
"""

from collections.abc import Mapping

import msgspec

from app.domain.chat import (
    ChatRequest,
    CompletionRequest,
    Extensions,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
    UnknownTool,
)
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.ollama import messages
from app.integrations.model_platforms.ollama.messages import Json

FORMAT = "ollama"

# Ollama's own table for OpenAI clients: thinkFromReasoningEffort in openai/openai.go.
_THINK: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
# What no extension may set: the first four are ours to say, the last two keep the promise above.
_RESERVED = frozenset({"model", "messages", "prompt", "stream", "truncate", "shift"})


class ModelTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How one model is to be asked. `num_ctx` in tokens; None: leave it to the server (a model in a cloud)."""

    model: str
    num_ctx: int | None = None
    keep_alive: str | float | None = None
    can_think: bool = False


def encode_chat(request: ChatRequest, terms: ModelTerms, *, dropped: list[str] | None = None) -> bytes:
    """Always asks for a stream: an answer then has a first byte to wait for, whether or not the caller streams.

    `dropped` is told the fields that Ollama has no place for. Raises UnsupportedFeature where leaving something
    out would change what was asked.
    """
    if not request.messages:
        raise InvalidRequest("A chat needs at least one message.", param="messages")
    missed = [] if dropped is None else dropped
    body = _base(terms) | {
        "messages": messages.encode(request.messages),
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": _options(request.sampling, terms, missed),
    }
    body |= _tools(request, missed)
    body |= _think(request.reasoning_effort, terms, missed)
    body |= _logprobs(request.sampling)
    body |= _format(request.response_format)
    return _merged(body, request.extensions)


def encode_completion(
    request: CompletionRequest,
    prompt: str | tuple[int, ...],
    terms: ModelTerms,
    *,
    dropped: list[str] | None = None,
) -> bytes:
    """The body for one of the request's prompts.

    `raw`: the text goes to the model as it is, which is what a text completion means; Ollama would put it into
    the model's chat template. A suffix needs that template, which holds the model's fill-in-the-middle marks.
    """
    if request.echo:
        raise UnsupportedFeature("Ollama does not repeat the prompt: leave echo out.", param="echo")
    if (request.best_of or 1) > 1:
        raise UnsupportedFeature("Ollama gives one answer to a prompt: leave best_of out.", param="best_of")
    if not isinstance(prompt, str):
        raise UnsupportedFeature("Ollama takes text, not token ids.", param="prompt")
    body = _generate_body(prompt, terms, request.sampling, [] if dropped is None else dropped)
    body |= {"suffix": request.suffix} if request.suffix else {"raw": True, "think": False}
    return _merged(body, request.extensions)


def encode_generation(prompt: str, terms: ModelTerms, system: str | None, sampling: Sampling) -> bytes:
    """`prompt` as a user's words, in the model's own template; `system` in place of the Modelfile's."""
    body = _generate_body(prompt, terms, sampling, [])
    return msgspec.json.encode(body if system is None else body | {"system": system})


def _generate_body(prompt: str, terms: ModelTerms, sampling: Sampling, missed: list[str]) -> Json:
    if not prompt:
        raise InvalidRequest("A completion needs a prompt that is not empty.", param="prompt")
    return (
        _base(terms)
        | {"prompt": prompt, "stream": True, "truncate": False, "shift": False}
        | {"options": _options(sampling, terms, missed)}
        | _logprobs(sampling)
    )


def encode_embedding(request: EmbeddingRequest, terms: ModelTerms) -> bytes:
    """Raises UnsupportedFeature for token ids: Ollama embeds text only."""
    texts = [text for text in request.inputs if isinstance(text, str)]
    if len(texts) != len(request.inputs):
        raise UnsupportedFeature("Ollama takes text, not token ids.", param="input")
    if not texts:
        raise InvalidRequest("There is nothing to embed.", param="input")
    body = _base(terms) | {"input": texts, "truncate": False, "options": _context(terms)}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return _merged(body, request.extensions)


def encode_residence(terms: ModelTerms, *, embeds: bool, keep: bool) -> bytes:
    """The body that loads a model (`keep`) or lets it go: an empty prompt, or nothing to embed.

    The options are those of every other request, or the model would be loaded again with the first one.
    """
    body = _base(terms) | {"options": _context(terms)}
    body |= {"input": []} if embeds and keep else {"prompt": "", "stream": False, "shift": False}
    if not keep:
        body["keep_alive"] = 0
    return msgspec.json.encode(body)


def _base(terms: ModelTerms) -> Json:
    return {"model": terms.model} | ({} if terms.keep_alive is None else {"keep_alive": terms.keep_alive})


def _context(terms: ModelTerms) -> Json:
    return {} if terms.num_ctx is None else {"num_ctx": terms.num_ctx}


def _options(sampling: Sampling, terms: ModelTerms, missed: list[str]) -> Json:
    if sampling.n > 1:
        raise UnsupportedFeature("Ollama gives one answer to a request: n must be 1.", param="n")
    if sampling.logit_bias:
        missed.append("logit_bias")
    knobs: Json = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "num_predict": sampling.max_output_tokens,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    return _context(terms) | {name: value for name, value in knobs.items() if value is not None}


def _logprobs(sampling: Sampling) -> Json:
    if not sampling.logprobs:
        return {}
    return {"logprobs": True} | ({"top_logprobs": sampling.top_logprobs} if sampling.top_logprobs else {})


def _think(effort: str | None, terms: ModelTerms, missed: list[str]) -> Json:
    """A model that does not think refuses to be asked to, so there the knob is left out."""
    if effort is None:
        return {}
    if effort not in _THINK:
        raise InvalidRequest(f"reasoning_effort is one of {', '.join(_THINK)}.", param="reasoning_effort")
    if terms.can_think:
        return {"think": _THINK[effort]}
    if effort != "none":
        missed.append("reasoning_effort")
    return {}


def _tools(request: ChatRequest, missed: list[str]) -> Json:
    """Ollama has no tool_choice. `none` sends no tool, `named` only that one; that it must be called is lost."""
    choice = request.tool_choice
    mode = choice.mode if choice else "auto"
    if mode == "none" or not request.tools:
        return {}
    if mode in {"named", "required"}:
        missed.append("tool_choice")
    if request.parallel_tool_calls is False:
        missed.append("parallel_tool_calls")
    offered = [_tool(tool) for tool in request.tools if mode != "named" or _is_named(tool, choice)]
    return {"tools": offered} if offered else {}


def _is_named(tool: Tool | UnknownTool, choice: ToolChoice | None) -> bool:
    return isinstance(tool, Tool) and choice is not None and tool.name == choice.name


def _tool(tool: Tool | UnknownTool) -> Json:
    if isinstance(tool, UnknownTool):
        raise UnsupportedFeature("Ollama knows tools of the type 'function' only.", param="tools")
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _format(wanted: ResponseFormat | None) -> Json:
    if wanted is None or wanted.kind == "text":
        return {}
    if wanted.kind == "json_object" or wanted.schema is None:
        return {"format": "json"}
    return {"format": wanted.schema}


def _merged(body: Json, extensions: Extensions) -> bytes:
    """Gives back the fields of this format that have no place in the domain. Where both speak, the domain wins."""
    extra = {name: value for name, value in extensions.get(FORMAT, {}).items() if name not in _RESERVED}
    theirs, ours = extra.get("options"), body["options"]
    body = extra | body
    if isinstance(theirs, dict) and isinstance(ours, dict):
        body["options"] = theirs | ours
    return msgspec.json.encode(body)
