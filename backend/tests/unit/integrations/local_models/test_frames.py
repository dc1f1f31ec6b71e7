from typing import Any

import msgspec
import pytest

from app.domain.errors import ContextLengthExceeded, UpstreamUnavailable
from app.domain.usage import Usage
from app.integrations.model_platforms.local_models.frames import DONE, Frames
from app.integrations.model_platforms.local_models.questions import Question

TEXT = b'{"choices":[{"index":0,"delta":{"content":"say \\"usage\\": 1"}}],"id":"x"}'


def frames(**changes: Any) -> Frames:
    question = Question(body=b"", answers=1, per_prompt=1, wants_usage=False)
    question = msgspec.structs.replace(question, **changes)
    return Frames(question, provider="custom_models", model="m", window=64)


def report(prompt: int, completion: int, **rest: Any) -> bytes:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    return msgspec.json.encode({"choices": [], "id": "x", "usage": usage, **rest})


def test_plain_chunks_become_frames_untouched() -> None:
    assert frames().read([TEXT, TEXT]) == b"data: " + TEXT + b"\n\ndata: " + TEXT + b"\n\n"


def test_progress_is_kept_to_ourselves() -> None:
    assert frames().read([b'{"choices":[{"index":0,"delta":{}}],"prompt_progress":{"total":3}}']) == b""


def test_usage_stands_in_the_stream_only_when_wanted() -> None:
    for wanted in (False, True):
        answer = frames(wants_usage=wanted)
        assert answer.read([report(5, 3)]) == b""
        last, usage = answer.end()
        assert usage == Usage(input_tokens=5, output_tokens=3, cached_tokens=2)
        assert last.endswith(DONE)
        assert (b'"total_tokens":8' in last) is wanted


def test_usage_of_several_answers_is_one_sum() -> None:
    answer = frames(answers=4, per_prompt=2)
    answer.read([report(5, 3), report(5, 4), report(7, 1), report(7, 2)])
    assert answer.end()[1] == Usage(input_tokens=12, output_tokens=10, cached_tokens=4)


def test_usage_beside_text_is_taken_out() -> None:
    chunk = report(5, 3, choices=[{"index": 0, "text": "x", "finish_reason": "stop"}])
    assert b"usage" not in frames().read([chunk])


def test_an_answer_without_its_end_is_a_failure() -> None:
    answer = frames(answers=2)
    answer.read([report(5, 3)])
    with pytest.raises(UpstreamUnavailable, match="stopped before it had finished"):
        answer.end()


def test_a_refusal_is_raised() -> None:
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 99, "n_ctx": 64}
    with pytest.raises(ContextLengthExceeded, match=r"64 tokens, and the prompt has 99"):
        frames().read([msgspec.json.encode({"error": error})])


def test_log_probabilities_of_a_completion_take_their_old_shape() -> None:
    def chunk(*tokens: str) -> bytes:
        top = [{"token": "z", "logprob": -2.0}]
        content = [{"token": token, "logprob": -1.0, "top_logprobs": top} for token in tokens]
        return msgspec.json.encode({"choices": [{"index": 0, "text": "", "logprobs": {"content": content}}]})

    answer = frames(log_probabilities=True)
    found = [msgspec.json.decode(answer.read([chunk(*tokens)])[6:]) for tokens in (("ab", "c"), ("d",))]
    assert [frame["choices"][0]["logprobs"] for frame in found] == [
        {
            "tokens": ["ab", "c"],
            "token_logprobs": [-1.0, -1.0],
            "top_logprobs": [{"z": -2.0}, {"z": -2.0}],
            "text_offset": [0, 2],
        },
        {"tokens": ["d"], "token_logprobs": [-1.0], "top_logprobs": [{"z": -2.0}], "text_offset": [3]},
    ]
