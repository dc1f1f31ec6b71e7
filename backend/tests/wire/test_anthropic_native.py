"""Requests that came in OpenAI's format, as Anthropic's models take them."""

import json
from typing import Any

import msgspec
import pytest

from app.domain.chat import Message, ReasoningPart, TextPart
from app.domain.errors import UnsupportedFeature
from app.wire.anthropic_messages import request
from app.wire.anthropic_messages.native import Profile, native
from app.wire.anthropic_messages.native_turns import native_turns
from app.wire.openai_chat import request as openai
from tests.wire.cases import cases


def translated(case: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What is sent, and what was dropped."""
    profile = msgspec.convert({"limit": 9000, **case.get("profile", {})}, Profile)
    dropped: list[str] = []
    asked = openai.decode(json.dumps({"model": "m", **case["body"]}).encode())
    body = request.encode(native(asked, profile, dropped), dropped=dropped)
    return json.loads(body), dropped


@pytest.mark.parametrize("case", cases("anthropic_native"))
def test_a_request_is_made_fit(case: dict[str, Any]) -> None:
    sent, dropped = translated(case)
    assert {name: sent.get(name) for name in case["want"]} == case["want"]
    assert not sent.keys() & set(case.get("lacks", ()))
    assert sorted(dropped) == case.get("dropped", [])


def test_a_form_that_the_model_can_not_keep_is_refused() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    body = {"messages": [{"role": "user", "content": "hi"}], "response_format": form}
    with pytest.raises(UnsupportedFeature) as caught:
        translated({"body": body, "profile": {"structured": False}})
    assert caught.value.param == "response_format"


@pytest.mark.parametrize(
    ("signature", "stays"), [("EqQBCgYI", True), ("gAAAAABo_OpenAI's own", False), (None, False)]
)
def test_thinking_comes_back_with_the_signature_of_its_writer(signature: str | None, stays: bool) -> None:
    thought = ReasoningPart(text="hm", signature=signature)
    turn = Message(role="assistant", content=(thought, TextPart(text="ho")))
    dropped: list[str] = []
    (kept,) = native_turns((turn,), dropped)
    assert (thought in kept.content) is stays
    assert dropped == ([] if stays else ["messages.reasoning"])
