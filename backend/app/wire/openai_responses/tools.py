"""Tools, the choice among them, and the form that an answer shall have. Here a function's fields lie flat."""

from typing import Any, assert_never

from app.domain.chat import ResponseFormat, Tool, ToolChoice, UnknownTool
from app.domain.errors import UnsupportedFeature
from app.wire.fields import Fields, merge
from app.wire.openai_responses import FORMAT


def decode_tool(fields: Fields) -> Tool | UnknownTool:
    if fields.rest.get("type") != "function":
        fields.rest["type"] = fields.required_text("type")
        return UnknownTool(extensions=fields.extensions(FORMAT))
    del fields.rest["type"]
    return Tool(
        name=fields.required_text("name"),
        description=fields.text("description"),
        parameters=fields.object("parameters"),
        strict=fields.flag("strict"),
        extensions=fields.extensions(FORMAT),
    )


def encode_tool(tool: Tool | UnknownTool) -> dict[str, Any]:
    """Raises UnsupportedFeature for a tool that only another format knows."""
    kept = tool.extensions.get(FORMAT)
    match tool:
        case Tool():
            known = {"description": tool.description, "parameters": tool.parameters, "strict": tool.strict}
            set_fields = {name: value for name, value in known.items() if value is not None}
            return merge({"type": "function", "name": tool.name, **set_fields}, kept)
        case UnknownTool() if kept:
            return kept
        case UnknownTool():
            raise UnsupportedFeature("The model's provider takes no tool of this kind.", param="tools")
        case _:
            assert_never(tool)


def decode_tool_choice(fields: Fields) -> ToolChoice | None:
    """None, and left in place, where the domain has no word for it (allowed_tools, a built-in tool)."""
    choice = fields.rest.get("tool_choice")
    match choice:
        case "auto" | "none" | "required":
            del fields.rest["tool_choice"]
            return ToolChoice(mode=choice)
        case {"type": "function", "name": str(name)}:
            del fields.rest["tool_choice"]
            return ToolChoice(mode="named", name=name)
        case None | dict():
            return None
        case _:
            raise fields.wrong("tool_choice", "auto, none, required, or an object that names a function")


def encode_tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode


def decode_format(fields: Fields) -> ResponseFormat | None:
    """`text.format`; what else stands in `text` stays there. None, and left in place, for an unknown kind."""
    text = fields.child("text")
    form = text.child("format") if text is not None else None
    if text is None or form is None:
        return None
    kind = form.rest.get("type")
    if kind in ("text", "json_object"):
        del form.rest["type"]
        known = ResponseFormat(kind=kind, extensions=form.extensions(FORMAT))
    elif kind == "json_schema":
        del form.rest["type"]
        known = ResponseFormat(
            kind="json_schema",
            name=form.required_text("name"),
            description=form.text("description"),
            schema=form.object("schema"),
            strict=form.flag("strict"),
            extensions=form.extensions(FORMAT),
        )
    elif type(kind) is str:
        return None
    else:
        raise form.wrong("type", "text, json_object or json_schema")
    del text.rest["format"]
    fields.prune("text")
    return known


def encode_format(form: ResponseFormat) -> dict[str, Any]:
    known: dict[str, Any] = {"type": form.kind}
    if form.kind == "json_schema":
        known["name"] = form.name or "answer"
        schema = {"description": form.description, "schema": form.schema, "strict": form.strict}
        known.update({name: value for name, value in schema.items() if value is not None})
    return merge(known, form.extensions.get(FORMAT))
