"""Does a target fit a request? Its context is a matter for every model; what it can do, for those that choose."""

import msgspec

from app.domain.chat import AudioPart, ChatRequest, ImagePart, ToolResult
from app.domain.models import Capability
from app.inference.call import Call, Target
from app.inference.policy import Strategy


class Misfit(msgspec.Struct, frozen=True):
    reason: str
    too_long: bool = False


def misfit(target: Target, call: Call, strategy: Strategy) -> Misfit | None:
    """Why `target` can't answer `call`; None when it can, or when nobody knows."""
    window, prompt = target.context_window, call.prompt
    if window is not None and prompt is not None and prompt.least(target.model) > window:
        reason = f"a prompt of {prompt.told(target.model)} tokens does not fit its context of {window}"
        return Misfit(reason, too_long=True)
    if strategy != "auto" or target.known is None or call.operation != "chat":
        return None
    lacking = sorted(capabilities_for(call.request) - target.known.capabilities)
    return Misfit(f"it lacks {', '.join(lacking)}") if lacking else None


def capabilities_for(request: ChatRequest) -> frozenset[Capability]:
    """What a model must be able to do for `request`."""
    needed: set[Capability] = {"chat"}
    if request.tools:
        needed.add("tools")
    if request.response_format is not None and request.response_format.kind == "json_schema":
        needed.add("json_schema")
    for message in request.messages:
        for part in message.content:
            for each in (part, *(part.content if isinstance(part, ToolResult) else ())):
                if isinstance(each, ImagePart):
                    needed.add("vision")
                elif isinstance(each, AudioPart):
                    needed.add("audio")
    return frozenset(needed)
