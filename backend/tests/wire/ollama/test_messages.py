"""A conversation as Ollama's flat messages."""

from typing import Any

import pytest

from app.domain.chat import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResult,
    UnknownPart,
)
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.ollama.messages import encode
from app.wire import call_ids

SIGNED = call_ids.sign("c1", "AA==")
CALL = ToolCall(id="call_1", name="weather", arguments='{"at": "Paris", "days": 2}')
RESULT = ToolResult(call_id="call_1", content=(TextPart(text="rain"),))


@pytest.mark.parametrize(
    ("messages", "want"),
    [
        pytest.param(
            [Message(role="developer", content=(TextPart(text="Be brief"),))],
            [{"role": "system", "content": "Be brief"}],
            id="developer",
        ),
        pytest.param(
            [Message(role="user", content=(TextPart(text="one"), TextPart(text="two")), name="Ada")],
            [{"role": "user", "content": "one\ntwo"}],
            id="several texts",
        ),
        pytest.param(
            [Message(role="user", content=(TextPart(text="see"), ImagePart(data="aGk=", media_type="image/png")))],
            [{"role": "user", "content": "see", "images": ["aGk="]}],
            id="an image",
        ),
        pytest.param(
            [Message(role="user", content=(ImagePart(url="data:image/png;base64,aGk="),))],
            [{"role": "user", "content": "", "images": ["aGk="]}],
            id="an image in its URL",
        ),
        pytest.param(
            [Message(role="user", content=(AudioPart(data="aGk=", format="wav"),))],
            [{"role": "user", "content": "", "images": ["aGk="]}],
            id="sound",
        ),
        pytest.param(
            [Message(role="assistant", content=(ReasoningPart(text="hm"), RefusalPart(text="no")))],
            [{"role": "assistant", "content": "no", "thinking": "hm"}],
            id="thinking and refusal",
        ),
        pytest.param(
            [
                Message(role="assistant", content=(TextPart(text="wait"), CALL)),
                Message(role="tool", content=(RESULT,)),
            ],
            [
                {
                    "role": "assistant",
                    "content": "wait",
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "function": {"index": 0, "name": "weather", "arguments": {"at": "Paris", "days": 2}},
                        }
                    ],
                },
                {"role": "tool", "content": "rain", "tool_call_id": "call_1", "tool_name": "weather"},
            ],
            id="a tool and its result",
        ),
        pytest.param(
            [
                Message(
                    role="assistant",
                    content=(CALL, ToolCall(id="call_2", name="now", arguments="")),
                ),
                Message(
                    role="user",
                    content=(RESULT, ToolResult(call_id="call_2"), TextPart(text="go on")),
                ),
            ],
            [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "function": {"index": 0, "name": "weather", "arguments": {"at": "Paris", "days": 2}},
                        },
                        {"id": "call_2", "function": {"index": 1, "name": "now", "arguments": {}}},
                    ],
                },
                {"role": "tool", "content": "rain", "tool_call_id": "call_1", "tool_name": "weather"},
                {"role": "tool", "content": "", "tool_call_id": "call_2", "tool_name": "now"},
                {"role": "user", "content": "go on"},
            ],
            id="two results and a text in one message",
        ),
        pytest.param(
            [
                Message(role="assistant", content=(ToolCall(id=SIGNED, name="now", arguments=""),)),
                Message(role="tool", content=(ToolResult(call_id=SIGNED),)),
            ],
            [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "now", "arguments": {}}}],
                },
                {"role": "tool", "content": "", "tool_call_id": "c1", "tool_name": "now"},
            ],
            id="a call that Gemini signed",
        ),
        pytest.param(
            [Message(role="tool", content=(ToolResult(call_id="x", content=(ImagePart(data="aGk="),)),))],
            [{"role": "tool", "content": "", "tool_call_id": "x", "images": ["aGk="]}],
            id="an image from a tool nobody called",
        ),
        pytest.param(
            [Message(role="assistant")], [{"role": "assistant", "content": ""}], id="an empty message stays"
        ),
    ],
)
def test_encode(messages: list[Message], want: list[dict[str, Any]]) -> None:
    assert encode(messages) == want


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (ImagePart(url="https://example.com/cat.png"), UnsupportedFeature),
        (ImagePart(url="data:text/plain,hello"), UnsupportedFeature),
        (ImagePart(), UnsupportedFeature),
        (FilePart(file_id="f"), UnsupportedFeature),
        (UnknownPart(), UnsupportedFeature),
        (ToolCall(id="c", name="n", arguments="{broken"), InvalidRequest),
        (ToolCall(id="c", name="n", arguments="[1]"), InvalidRequest),
    ],
)
def test_encode_refuses(part: Part, kind: type[InvalidRequest]) -> None:
    with pytest.raises(kind) as caught:
        encode([Message(role="user", content=(part,))])
    assert caught.value.param == "messages"
