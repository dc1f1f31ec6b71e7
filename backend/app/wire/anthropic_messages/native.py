"""A request of another format, made fit for one of Anthropic's models. The way back is portable.py.

What one model takes and another refuses is data: Profile. A knob that the model lacks is left out, and told; a
feature that it lacks raises. What all of them want of a conversation: native_turns.py.
https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting
"""

from typing import Any

import msgspec

from app.domain.chat import ChatRequest, Message, ReasoningPart, Sampling, Tool, ToolCall, UnknownTool
from app.domain.errors import UnsupportedFeature
from app.wire.anthropic_messages import FORMAT
from app.wire.anthropic_messages.effort import budget_for
from app.wire.anthropic_messages.native_turns import native_turns
from app.wire.anthropic_messages.schema import structured

LEAST_BUDGET = 1024
_LEVELS = ("low", "medium", "high", "xhigh", "max")
_LOWEST = {"minimal": "low"}
_NEUTRAL = {"temperature": 1, "top_p": 1}


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`limit`: tokens of an answer where the caller set no limit. `sampling`: it takes temperature, top_p and
    top_k. `thinking`: the types of thinking that it takes; `efforts`: the levels. `structured`: it can keep to a
    schema. None: nobody told, so what was asked for is passed on. `cache`: the prompt shall be cached as far as it
    reaches, so that the next turn need not be read anew.
    """

    limit: int
    sampling: bool = True
    thinking: frozenset[str] | None = None
    efforts: frozenset[str] | None = None
    structured: bool | None = None
    cache: bool = False


def native(request: ChatRequest, profile: Profile, dropped: list[str]) -> ChatRequest:
    """`dropped` is told what was left out. Raises UnsupportedFeature."""
    request = msgspec.structs.replace(request, messages=native_turns(request.messages, dropped))
    limit = request.sampling.max_output_tokens or profile.limit
    effort, thinking = _thought(request, profile, limit)
    if request.reasoning_effort and not (effort or thinking):
        dropped.append("reasoning_effort")
    kept: dict[str, Any] = {"thinking": thinking} if thinking else {}
    if profile.cache:
        kept["cache_control"] = {"type": "ephemeral"}
    return msgspec.structs.replace(
        request,
        sampling=_sampling(request.sampling, limit, dropped, free=profile.sampling and thinking is None),
        tools=tuple(_tool(tool, profile, dropped) for tool in request.tools),
        response_format=_form(request, profile),
        reasoning_effort=effort,
        extensions={FORMAT: kept} if kept else {},
    )


def _sampling(sampling: Sampling, limit: int, dropped: list[str], *, free: bool) -> Sampling:
    """`free`: while a model thinks, and for newer ones always, only the defaults are taken. Of temperature and
    top_p no model takes both.
    """
    lost: list[str] = [] if free else ["temperature", "top_p", "top_k"]
    if free and sampling.temperature is not None and sampling.top_p is not None:
        lost.append("top_p")
    missed = [name for name in lost if getattr(sampling, name) not in (None, _NEUTRAL.get(name))]
    stop = tuple(text for text in sampling.stop if text.strip())
    dropped += missed if stop == sampling.stop else [*missed, "stop"]
    cleared: dict[str, Any] = dict.fromkeys(lost)
    return msgspec.structs.replace(sampling, max_output_tokens=limit, stop=stop, **cleared)


def _tool(tool: Tool | UnknownTool, profile: Profile, dropped: list[str]) -> Tool | UnknownTool:
    if isinstance(tool, UnknownTool) or not tool.strict:
        return tool
    if profile.structured is False:
        dropped.append("tools.strict")
        return msgspec.structs.replace(tool, strict=None)
    return msgspec.structs.replace(tool, parameters=structured(tool.parameters))


def _form(request: ChatRequest, profile: Profile) -> Any:
    form = request.response_format
    if form is None or form.kind != "json_schema":
        return form
    if profile.structured is False:
        raise UnsupportedFeature("The model can't be held to a JSON schema.", param="response_format")
    return msgspec.structs.replace(form, schema=structured(form.schema))


def _thought(request: ChatRequest, profile: Profile, limit: int) -> tuple[str | None, dict[str, Any] | None]:
    """The effort to name, and how to think."""
    asked, types = request.reasoning_effort, profile.thinking
    if asked is None or asked == "none":
        return (asked if types is None or "disabled" in types else None), None
    effort = _LOWEST.get(asked, asked)
    return _nearest(effort, profile.efforts), _thinking(request, effort, types or frozenset(), limit)


def _thinking(request: ChatRequest, effort: str, types: frozenset[str], limit: int) -> dict[str, Any] | None:
    if effort not in _LEVELS:
        return None
    if "adaptive" in types:
        # Newer models show nothing of their thinking unless they are asked to.
        return {"type": "adaptive", "display": "summarized"}
    budget = min(budget_for(effort), limit // 2)
    if "enabled" not in types or budget < LEAST_BUDGET or _forced(request) or _unthought(request.messages):
        return None
    return {"type": "enabled", "budget_tokens": budget}


def _nearest(effort: str, efforts: frozenset[str] | None) -> str | None:
    """The highest level that the model has up to `effort`."""
    if efforts is None or effort not in _LEVELS:
        return effort if efforts is None else None
    return next((each for each in reversed(_LEVELS[: _LEVELS.index(effort) + 1]) if each in efforts), None)


def _forced(request: ChatRequest) -> bool:
    """With a budget a model thinks only where it is free to call."""
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "named")


def _unthought(messages: tuple[Message, ...]) -> bool:
    """Whether an answer is to go on that began without thinking: with a budget, that is refused."""
    last = next((message for message in reversed(messages) if message.role == "assistant"), None)
    if last is None or isinstance(last.content[0], ReasoningPart):
        return False
    return last is messages[-1] or any(isinstance(part, ToolCall) for part in last.content)
