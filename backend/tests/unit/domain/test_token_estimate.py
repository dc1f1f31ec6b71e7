import pytest

from app.domain.chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ResponseFormat,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
    UnknownPart,
)
from app.domain.token_estimate import PER_IMAGE, PER_MESSAGE, estimate_tokens


def asking(*parts: Part) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message(role="user", content=parts),))


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (TextPart(text="a" * 400), 100),
        (TextPart(text="é" * 400), 200),
        (ImagePart(url="https://example.com/a.png"), PER_IMAGE),
        (ToolCall(id="c", name="four", arguments="{}{}"), PER_MESSAGE + 2),
        (ToolResult(call_id="c", content=(TextPart(text="a" * 40),)), 10),
        (FilePart(data="A" * 400), 75),
        (UnknownPart(extensions={"f": {}}), 2),
    ],
)
def test_a_part(part: Part, tokens: int) -> None:
    assert estimate_tokens(asking(part)) == PER_MESSAGE + tokens


def test_tools_and_schemas_count() -> None:
    tool = Tool(name="f", parameters={"type": "object"})
    form = ResponseFormat(kind="json_schema", schema={"type": "object"})
    request = ChatRequest(model="m", messages=(), tools=(tool,), response_format=form)
    assert estimate_tokens(request) > estimate_tokens(ChatRequest(model="m", messages=(), tools=(tool,))) > 0
