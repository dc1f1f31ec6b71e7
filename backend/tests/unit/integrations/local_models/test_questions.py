from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.local_models.folder import Mark
from app.integrations.model_platforms.local_models.gguf_header import GgufHeader
from app.integrations.model_platforms.local_models.questions import (
    chat_question,
    completion_question,
    embedding_body,
    read_fields,
)
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.wire import call_ids

USER = {"role": "user", "content": "hello"}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("get", "put")]


def model(template: str | None = "{{ tools }}", *, pooling: bool = False) -> LocalModel:
    return LocalModel(
        id="m",
        files=(Path("m.gguf"),),
        header=GgufHeader(version=3, architecture="llama", chat_template=template, pooling=pooling),
        marks=(Mark(1, 1, 1),),
        size_bytes=1,
        created=1,
    )


def sent(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body)


@pytest.mark.parametrize(
    ("found", "capabilities"),
    [
        (model(), {"chat", "completion", "embedding", "json_schema", "tools"}),
        (model("{{ messages }}"), {"chat", "completion", "embedding", "json_schema"}),
        (model(None), {"completion", "embedding", "json_schema"}),
        (model(pooling=True), {"embedding"}),
    ],
)
def test_capabilities_follow_from_the_file(found: LocalModel, capabilities: set[str]) -> None:
    assert found.capabilities == capabilities


def test_every_chat_streams_with_progress_and_usage() -> None:
    question = chat_question({"model": "other", "messages": [USER], "stream": False}, model())
    fields = sent(question.body)
    assert (fields["model"], fields["stream"], fields["return_progress"]) == ("m", True, True)
    assert fields["stream_options"] == {"include_usage": True}
    assert not question.wants_usage


def test_usage_is_wanted_when_it_was_asked_for() -> None:
    fields = {"messages": [USER], "stream_options": {"include_usage": True}}
    assert chat_question(fields, model()).wants_usage


def test_knobs_that_reach_beyond_the_request_are_dropped() -> None:
    fields = {"messages": [USER], "id_slot": 1, "lora": [], "response_fields": [], "top_k": 3}
    assert sent(chat_question(fields, model()).body).keys() & {"id_slot", "lora", "response_fields", "top_k"} == {
        "top_k"
    }


def test_the_new_name_of_the_limit_is_understood() -> None:
    assert sent(chat_question({"messages": [USER], "max_completion_tokens": 7}, model()).body)["max_tokens"] == 7


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_what_is_not_text_is_refused(kind: str) -> None:
    with pytest.raises(UnsupportedFeature, match="reads text only"):
        chat_question({"messages": [{"role": "user", "content": [{"type": kind}]}]}, model())


def test_tools_need_a_template_that_knows_them() -> None:
    with pytest.raises(UnsupportedFeature, match="'tools'"):
        chat_question({"messages": [USER], "tools": TOOLS}, model("{{ messages }}"))
    chat_question({"messages": [USER], "tools": TOOLS, "tool_choice": "none"}, model("{{ messages }}"))


def test_a_named_tool_is_the_only_one_offered() -> None:
    choice = {"type": "function", "function": {"name": "put"}}
    fields = sent(chat_question({"messages": [USER], "tools": TOOLS, "tool_choice": choice}, model()).body)
    assert (fields["tools"], fields["tool_choice"]) == ([TOOLS[1]], "required")


def test_a_named_tool_must_be_there() -> None:
    choice = {"type": "function", "function": {"name": "drop"}}
    with pytest.raises(InvalidRequest, match="'drop'"):
        chat_question({"messages": [USER], "tools": TOOLS, "tool_choice": choice}, model())


@pytest.mark.parametrize(
    ("fields", "answers", "per_prompt"),
    [
        ({"prompt": "a"}, 1, 1),
        ({"prompt": "a", "n": 3}, 3, 3),
        ({"prompt": ["a", "b"]}, 2, 1),
        ({"prompt": ["a", "b"], "n": 2}, 4, 2),
        ({"prompt": [1, 2, 3]}, 1, 1),
        ({"prompt": [[1], [2, 3]]}, 2, 1),
    ],
)
def test_the_number_of_answers_is_foreseen(fields: dict[str, Any], answers: int, per_prompt: int) -> None:
    question = completion_question(fields, model())
    assert (question.answers, question.per_prompt) == (answers, per_prompt)


@pytest.mark.parametrize("knob", [{"echo": True}, {"suffix": "end"}, {"best_of": 2}])
def test_what_llama_cpp_would_pass_over_is_refused(knob: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFeature, match=next(iter(knob))):
        completion_question({"prompt": "a", **knob}, model())


def test_shorter_vectors_are_refused() -> None:
    with pytest.raises(UnsupportedFeature, match="dimensions"):
        embedding_body({"input": "a", "dimensions": 3}, model())
    assert sent(embedding_body({"input": "a", "dimensions": None}, model())) == {"input": "a", "model": "m"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_fields(body)


def test_signatures_that_ids_carry_for_gemini_are_left_out() -> None:
    body = msgspec.json.encode({"messages": [{"role": "tool", "tool_call_id": call_ids.sign("c1", "AA==")}]})
    assert read_fields(body) == {"messages": [{"role": "tool", "tool_call_id": "c1"}]}
