"""Tools, the choice among them, and the form that an answer shall have."""

from typing import Any, assert_never

from app.domain.chat import ResponseFormat, Tool, ToolChoice, UnknownTool
from app.domain.errors import UnsupportedFeature
from app.wire.fields import Fields, merge
from app.wire.openai_chat import FORMAT


def decode_tool(fields: Fields) -> Tool | UnknownTool:
    function = fields.child("function")
    if function is None:
        fields.rest["type"] = fields.required_text("type")
        return UnknownTool(extensions=fields.extensions(FORMAT))
    name, description = function.required_text("name"), function.text("description")
    parameters, strict = function.object("parameters"), function.flag("strict")
    fields.prune("function")
    if fields.rest.get("type") == "function":
        del fields.rest["type"]
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
            function = {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": tool.strict,
            }
            set_fields = {name: value for name, value in function.items() if value is not None}
            return merge({"type": kept.get("type", "function"), "function": set_fields}, kept)
        case UnknownTool() if kept:
            return kept
        case UnknownTool():
            raise UnsupportedFeature("The model's provider takes no tool of this kind.", param="tools")
        case _:
            assert_never(tool)


def decode_tool_choice(fields: Fields) -> ToolChoice | None:
    """None, and left in place, where the domain has no word for it (a custom tool, allowed_tools)."""
    choice = fields.rest.get("tool_choice")
    match choice:
        case "auto" | "none" | "required":
            del fields.rest["tool_choice"]
            return ToolChoice(mode=choice)
        case {"type": "function", "function": {"name": str(name)}}:
            del fields.rest["tool_choice"]
            return ToolChoice(mode="named", name=name)
        case None | str() | dict():
            return None
        case _:
            raise fields.wrong("tool_choice", "auto, none, required, or an object that names a function")


def encode_tool_choice(choice: ToolChoice) -> str | dict[str, Any]:
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def decode_response_format(fields: Fields) -> ResponseFormat | None:
    """None, and left in place, for a kind that the domain does not know (a grammar, a regular expression)."""
    form = fields.child("response_format")
    if form is None:
        return None
    kind = form.rest.get("type")
    if kind in ("text", "json_object"):
        del form.rest["type"]
        known = ResponseFormat(kind=kind, extensions=dict(form.extensions(FORMAT)))
    elif kind == "json_schema" and (schema := form.child("json_schema")):
        del form.rest["type"]
        known = ResponseFormat(
            kind=kind,
            name=schema.text("name"),
            description=schema.text("description"),
            schema=schema.object("schema"),
            strict=schema.flag("strict"),
            extensions=_rest_of_schema(form),
        )
    elif type(kind) is str and kind != "json_schema":
        return None
    else:
        raise form.wrong("type", "text, json_object, or json_schema with a json_schema object")
    del fields.rest["response_format"]
    return known


def _rest_of_schema(form: Fields) -> dict[str, dict[str, Any]]:
    form.prune("json_schema")
    return form.extensions(FORMAT)


def encode_response_format(form: ResponseFormat) -> dict[str, Any]:
    known: dict[str, Any] = {"type": form.kind}
    if form.kind == "json_schema":
        schema = {
            "name": form.name or "answer",
            "description": form.description,
            "schema": form.schema,
            "strict": form.strict,
        }
        known["json_schema"] = {name: value for name, value in schema.items() if value is not None}
    return merge(known, form.extensions.get(FORMAT))
