"""A coding agent's turns for models that are not Anthropic's: what was said before stays the same to the byte."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import UnsupportedFeature
from app.wire.anthropic_messages import request
from app.wire.anthropic_messages.portable import portable
from app.wire.openai_chat import request as openai

TURNS = json.loads((Path(__file__).parent / "data" / "coding_agent_turns.json").read_text("utf-8"))
SECRET = "x-anthropic-billing-header: cc_version=2.1.100; cch=fa690;"
HI = {"role": "user", "content": "hi"}


def translated(body: dict[str, Any]) -> bytes:
    return openai.encode(portable(request.decode(json.dumps({"model": "m", "max_tokens": 9, **body}).encode())))


def parts(body: bytes) -> tuple[bytes, bytes]:
    """The messages, up to the end of the last one, and all that stands behind them."""
    start = body.index(b'"messages":[')
    end = body.index(b'],"', body.rindex(b'{"role":'))
    return body[start:end], body[end:]


@pytest.mark.parametrize("number", range(1, len(TURNS)))
def test_each_turn_begins_with_the_turn_before_byte_for_byte(number: int) -> None:
    earlier, later = (translated(TURNS[at]) for at in (number - 1, number))
    (said_before, behind_before), (said, behind) = parts(earlier), parts(later)
    assert said.startswith(said_before)
    assert len(said) > len(said_before)
    assert behind == behind_before


def test_the_turns_as_they_came_share_no_more_than_their_beginning() -> None:
    """Else the test above would show nothing."""
    for earlier, later in pairwise(json.dumps(turn) for turn in TURNS):
        shared = next(at for at, (one, other) in enumerate(zip(earlier, later, strict=False)) if one != other)
        assert shared < 250


def test_what_a_model_is_sent() -> None:
    sent = json.loads(translated(TURNS[1]))
    system, asked, thought, *results = sent["messages"]
    assert system["role"] == "system"
    assert system["content"].startswith("You are a coding agent that works in a terminal.\n\n# How to work")
    assert "x-anthropic" not in json.dumps(sent)
    assert [part["type"] for part in asked["content"]] == ["text", "text"]
    assert thought["content"] == "I'll look at the cart."
    assert [call["function"]["name"] for call in thought["tool_calls"]] == ["Read", "Bash"]
    assert [(result["role"], result["tool_call_id"]) for result in results] == [
        ("tool", "toolu_01"),
        ("tool", "toolu_02"),
    ]
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["Bash", "Read", "Write"]
    assert list(sent["tools"][2]["function"]["parameters"]["properties"]) == ["file_path", "content"]
    assert sent["reasoning_effort"] == "high"
    assert sent["user"] == "user_1_account__session_2"


@pytest.mark.parametrize(
    ("system", "want"),
    [
        (SECRET, None),
        (f"{SECRET}\nBe brief.", "Be brief."),
        (f"\n{SECRET}\n\nBe brief.", "\nBe brief."),
        ([SECRET], None),
        ([SECRET, "Be brief."], "Be brief."),
        (["Be brief.", SECRET, "In verse."], "Be brief.\n\nIn verse."),
        ([f"{SECRET}\nBe brief.", "In verse."], "Be brief.\n\nIn verse."),
        (
            "What does the x-anthropic-billing-header: line mean?",
            "What does the x-anthropic-billing-header: line mean?",
        ),
    ],
)
def test_who_is_billed_is_left_out_and_nothing_else(system: Any, want: str | None) -> None:
    blocks = system if isinstance(system, str) else [{"type": "text", "text": text} for text in system]
    messages = json.loads(translated({"system": blocks, "messages": [HI]}))["messages"]
    prompts = [message["content"] for message in messages if message["role"] == "system"]
    assert prompts == ([] if want is None else [want])


def test_what_users_write_is_left_as_it_is() -> None:
    messages = json.loads(translated({"messages": [{"role": "user", "content": SECRET}]}))["messages"]
    assert messages == [{"role": "user", "content": SECRET}]


def test_sealed_thinking_is_left_out() -> None:
    thought = [{"type": "redacted_thinking", "data": "x"}, {"type": "thinking", "thinking": "", "signature": "s"}]
    answer = {"role": "assistant", "content": [*thought, {"type": "text", "text": "ho"}]}
    messages = json.loads(translated({"messages": [HI, answer, HI]}))["messages"]
    assert messages[1] == {"role": "assistant", "content": "ho"}


@pytest.mark.parametrize(
    ("effort", "want"), [("low", "low"), ("high", "high"), ("xhigh", "high"), ("max", "high")]
)
def test_efforts_that_others_know(effort: str, want: str) -> None:
    body = translated({"messages": [HI], "output_config": {"effort": effort}})
    assert json.loads(body)["reasoning_effort"] == want


@pytest.mark.parametrize("kind", ["web_search_20260318", "bash_20250124", "text_editor_20250728"])
def test_a_tool_that_only_anthropic_knows_is_named_and_refused(kind: str) -> None:
    tools = [{"name": "mine", "input_schema": {"type": "object"}}, {"type": kind, "name": "x"}]
    with pytest.raises(UnsupportedFeature, match=kind) as caught:
        translated({"messages": [HI], "tools": tools})
    assert caught.value.param == "tools[1].type"
