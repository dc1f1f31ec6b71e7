"""Tools, and the choice among them: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview"""

from typing import Any, assert_never

from app.domain.chat import Tool, ToolChoice, UnknownTool
from app.domain.errors import UnsupportedFeature
from app.wire.anthropic_messages import FORMAT
from app.wire.fields import Fields, merge

_NO_PARAMETERS = {"type": "object", "properties": {}}


def decode_tool(fields: Fields) -> Tool | UnknownTool:
    """A tool of the caller's own, or one that this API itself knows, which is kept whole."""
    kind = fields.rest.get("type")
    if kind not in (None, "custom"):
        fields.rest["type"] = fields.required_text("type")
        return UnknownTool(extensions=fields.extensions(FORMAT))
    name, description = fields.required_text("name"), fields.text("description")
    parameters, strict = fields.object("input_schema"), fields.flag("strict")
    if parameters is None:
        raise fields.wrong("input_schema", "an object")
    return Tool(
        name=name,
        description=description,
        parameters=parameters,
        strict=strict,
        extensions=fields.extensions(FORMAT),
    )


def encode_tool(tool: Tool | UnknownTool) -> dict[str, Any]:
    """Raises UnsupportedFeature for a tool that only another format knows."""
    kept = tool.extensions.get(FORMAT, {})
    match tool:
        case Tool():
            known = {
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.parameters or _NO_PARAMETERS,
                "strict": tool.strict,
            }
            return merge({name: value for name, value in known.items() if value is not None}, kept)
        case UnknownTool() if kept:
            return kept
        case UnknownTool():
            raise UnsupportedFeature("The model's provider takes no tool of this kind.", param="tools")
        case _:
            assert_never(tool)


def decode_tool_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several tools may be called at once."""
    choice = fields.child("tool_choice")
    if choice is None:
        return None, None
    kind, parallel = choice.required_text("type"), choice.flag("disable_parallel_tool_use")
    match kind:
        case "auto" | "none":
            known = ToolChoice(mode=kind, extensions=choice.extensions(FORMAT))
        case "any":
            known = ToolChoice(mode="required", extensions=choice.extensions(FORMAT))
        case "tool":
            name = choice.required_text("name")
            known = ToolChoice(mode="named", name=name, extensions=choice.extensions(FORMAT))
        case _:
            raise choice.wrong("type", "auto, any, tool or none")
    del fields.rest["tool_choice"]
    return known, None if parallel is None else not parallel


def encode_tool_choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any] | None:
    if choice is None:
        known: dict[str, Any] = {"type": "auto"}
        if parallel is None:
            return None
    elif choice.mode == "named":
        known = {"type": "tool", "name": choice.name}
    else:
        known = {"type": "any" if choice.mode == "required" else choice.mode}
    if parallel is not None and known["type"] != "none":
        known["disable_parallel_tool_use"] = not parallel
    return merge(known, choice.extensions.get(FORMAT) if choice else None)
