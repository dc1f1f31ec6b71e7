"""Requests in the OpenAI formats, made fit for llama.cpp; what it would pass over in silence is refused here.

Every answer is asked for as a stream, since only a stream can be stopped half way, and with its reading progress,
since that is where one can be stopped before the first word.
"""

from typing import Any, NoReturn

import msgspec

from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.local_models.grammars import check_grammars
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.wire import call_ids

Fields = dict[str, Any]

# llama.cpp's own: they reach beyond the request (a slot, an adapter) or change the shape of the answer.
_FOREIGN = ("id_slot", "lora", "response_fields", "return_tokens", "timings_per_token", "verbose", "n_predict")
# It reads these into 32 bits and takes what is left of a larger one: 2**32 + 5 tokens would be five.
_COUNTS = ("max_tokens", "max_completion_tokens", "n", "top_k", "top_logprobs")
_LARGEST = 2**31 - 1
_MEDIA = frozenset({"image_url", "input_image", "input_audio", "video_url", "file"})


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`answers`: how many streams of text come back in one. `per_prompt`: how many of them share a prompt.

    `wants_usage`: the caller asked for figures in the stream. `log_probabilities`: of a completion, whose format
    llama.cpp does not keep.
    """

    body: bytes
    answers: int
    per_prompt: int
    wants_usage: bool
    log_probabilities: bool = False


def read_fields(body: bytes) -> Fields:
    """Raises InvalidRequest."""
    try:
        fields = msgspec.json.decode(call_ids.without_signatures(body), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise InvalidRequest("The body is not a JSON object.") from None
    return fields


def chat_question(fields: Fields, model: LocalModel) -> Question:
    """Raises UnsupportedFeature, InvalidRequest."""
    for message in _list(fields.get("messages")):
        if isinstance(message, dict):
            _refuse_media(message.get("content"), model)
    _settle_tools(fields, model)
    if fields.get("max_tokens") is None and fields.get("max_completion_tokens") is not None:
        fields["max_tokens"] = fields.pop("max_completion_tokens")
    count = _count(fields)
    return _question(fields, model, answers=count, per_prompt=count)


def completion_question(fields: Fields, model: LocalModel) -> Question:
    """Raises UnsupportedFeature, InvalidRequest."""
    for knob in ("echo", "suffix"):
        if fields.get(knob):
            _refuse(knob, model)
    count = _count(fields)
    best_of = fields.pop("best_of", None)
    if isinstance(best_of, int) and best_of > count:
        _refuse("best_of", model)
    prompts = fields.get("prompt")
    several = isinstance(prompts, list) and bool(prompts) and not isinstance(prompts[0], int)
    texts = len(_list(prompts)) if several else 1
    question = _question(fields, model, answers=count * texts, per_prompt=count)
    logs = fields.get("logprobs")
    return msgspec.structs.replace(question, log_probabilities=isinstance(logs, int) and logs is not False)


def embedding_body(fields: Fields, model: LocalModel) -> bytes:
    """Raises UnsupportedFeature."""
    if fields.pop("dimensions", None) is not None:
        _refuse("dimensions", model)
    return msgspec.json.encode(fields | {"model": model.id})


def _question(fields: Fields, model: LocalModel, *, answers: int, per_prompt: int) -> Question:
    check_grammars(fields)
    options = fields.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    kept = {name: value for name, value in fields.items() if name not in _FOREIGN}
    kept |= {name: _LARGEST for name in _COUNTS if type(kept.get(name)) is int and kept[name] > _LARGEST}
    kept |= {
        "model": model.id,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    }
    return Question(
        body=msgspec.json.encode(kept), answers=answers, per_prompt=per_prompt, wants_usage=wants_usage
    )


def _settle_tools(fields: Fields, model: LocalModel) -> None:
    choice = fields.get("tool_choice")
    if choice == "none" or not fields.get("tools"):
        return
    if "tools" not in model.capabilities:
        # Its template would drop them without a word.
        _refuse("tools", model)
    if isinstance(choice, dict):
        name = _name(choice)
        chosen = [tool for tool in _list(fields["tools"]) if _name(tool) == name]
        if not chosen:
            raise InvalidRequest(f"'tool_choice' names '{name}', which is no tool here.", param="tool_choice")
        fields |= {"tools": chosen, "tool_choice": "required"}


def _name(tool: object) -> object:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def _refuse_media(content: object, model: LocalModel) -> None:
    for part in _list(content):
        if isinstance(part, dict) and part.get("type") in _MEDIA:
            raise UnsupportedFeature(f"The model '{model.id}' reads text only.", param="messages")


def _refuse(knob: str, model: LocalModel) -> NoReturn:
    raise UnsupportedFeature(f"The local model '{model.id}' does not support '{knob}'.", param=knob)


def _count(fields: Fields) -> int:
    """How many answers per prompt; llama.cpp judges what is out of range."""
    count = fields.get("n")
    return count if isinstance(count, int) and count > 0 else 1


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
