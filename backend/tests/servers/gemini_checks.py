"""What the Gemini fake refuses, in Google's words: unknown fields, unsigned calls, results without their call.

A request is read by the models of the official SDK, which know every field of the API and refuse all others.
"""

import base64
from dataclasses import dataclass
from typing import Any

from google.genai import types
from pydantic import BaseModel, ValidationError

Json = dict[str, Any]

DUMMIES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
FIELDS = {
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
}


@dataclass(eq=False)
class Refused(Exception):
    """`details` of google.rpc.Status."""

    code: int
    status: str
    message: str
    details: tuple[Json, ...] = ()

    def body(self) -> Json:
        error: Json = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": {**error, "details": list(self.details)} if self.details else error}


def invalid(message: str) -> Refused:
    return Refused(400, "INVALID_ARGUMENT", message)


def checked(body: Json, model: str, signatures: set[bytes]) -> Json:
    """`body` in the names of the documentation: Google takes snake case too, and the SDK sends it here and there.

    `signatures`: those that were given out. Raises Refused.
    """
    for name in body.keys() - FIELDS:
        raise invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    if not body.get("contents"):
        raise invalid("* GenerateContentRequest.contents: contents is not specified\n")
    try:
        for content in (*body["contents"], body.get("systemInstruction", {})):
            types.Content.model_validate(content)
        types.ToolConfig.model_validate(body.get("toolConfig", {}))
        tools = [_plain(types.Tool.model_validate(tool)) for tool in body.get("tools", [])]
        config = _plain(types.GenerationConfig.model_validate(body.get("generationConfig", {})))
    except ValidationError as error:
        raise invalid(f"Invalid JSON payload received. {error.errors()[0]['loc']}") from None
    check_turns(body["contents"])
    if model.startswith("gemini-3"):
        check_signatures(body["contents"], signatures)
    return {**body, "tools": tools, "generationConfig": config}


def _plain(value: BaseModel) -> Json:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def check_turns(contents: list[Json]) -> None:
    """What one side says in several contents is one turn. What tools gave must stand in contents of its own."""
    for content in contents:
        if 0 < len(named(content, "functionResponse")) < len(content["parts"]):
            raise invalid("Please ensure that a content with function responses holds nothing else.")
    turns = joined_turns(contents)
    if turns[-1]["role"] == "model":
        raise invalid("Please ensure that multiturn requests end with a user role or a function response.")
    for before, turn in zip([{}, *turns], turns, strict=False):
        if len(named(before, "functionCall")) != len(named(turn, "functionResponse")):
            raise invalid(
                "Please ensure that the number of function response parts is equal to the number of function "
                "call parts of the function call turn."
            )


def joined_turns(contents: list[Json]) -> list[Json]:
    turns: list[Json] = []
    for content in contents:
        if turns and turns[-1]["role"] == content.get("role", "user"):
            turns[-1]["parts"] += content.get("parts", [])
        else:
            turns.append({"role": content.get("role", "user"), "parts": [*content.get("parts", [])]})
    return turns


def check_signatures(contents: list[Json], signatures: set[bytes]) -> None:
    """The first call of each step needs one; any that is there must be one that was given out, or a dummy."""
    for turn in joined_turns(contents):
        for place, call in enumerate(part for part in turn["parts"] if "functionCall" in part):
            signature = call.get("thoughtSignature", "")
            if not signature and place == 0:
                raise invalid(
                    "Function call is missing a thought_signature in functionCall parts. This is required for "
                    f"tools to work correctly. Function call `default_api:{call['functionCall']['name']}`."
                )
            if signature and signature not in DUMMIES and decoded(signature) not in signatures:
                raise invalid("Corrupted thought signature.")


def named(content: Json, field: str) -> list[Json]:
    return [part[field] for part in content.get("parts", []) if field in part]


def check_thinking(config: Json, model: str, thinks: bool) -> None:
    thinking = config.get("thinkingConfig")
    if thinking is None:
        return
    if not thinks:
        raise invalid(f"Thinking is not enabled for models/{model}")
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level is not None and budget is not None:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level is not None and not model.startswith("gemini-3"):
        raise invalid("Thinking level is not supported for this model.")
    if budget is not None and "-pro" in model and not 128 <= budget <= 32768:
        raise invalid(f"The thinking budget {budget} is invalid. Please choose a value between 128 and 32768.")


def decoded(signature: str) -> bytes:
    """Google takes both alphabets of base64, and the SDK's models have looked at it already."""
    return base64.b64decode(signature.translate(str.maketrans("-_", "+/")))
