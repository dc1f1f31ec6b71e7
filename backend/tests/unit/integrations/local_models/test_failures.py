from typing import Any

import pytest

from app.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotFound,
    PlatformError,
    UnsupportedFeature,
    UpstreamUnavailable,
)
from app.integrations.model_platforms.local_models import failures


@pytest.mark.parametrize(
    ("error", "kind", "message", "param"),
    [
        (ValueError("'messages' is required"), InvalidRequest, "'messages' is required.", "messages"),
        (ValueError("Expected 'messages' to be an array"), InvalidRequest, None, "messages"),
        (RuntimeError("line one\nline two\x07"), InvalidRequest, "line one line two", None),
        (MemoryError(), UpstreamUnavailable, "The local model 'm' failed to answer.", None),
        (OSError("/secret/path"), UpstreamUnavailable, "The local model 'm' failed to answer.", None),
    ],
)
def test_exceptions(error: Exception, kind: type[PlatformError], message: str | None, param: str | None) -> None:
    found = failures.from_exception(error, provider="p", model="m")
    assert type(found) is kind
    assert found.message == (message or str(error))
    assert found.param == param


def test_the_platforms_own_error_passes() -> None:
    error = ModelNotFound("no")
    assert failures.from_exception(error, provider="p", model="m") is error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8, "message": "x"},
            ContextLengthExceeded,
            "This model's context holds 8 tokens, and the prompt has 9. Shorten the prompt.",
        ),
        (
            {"type": "server_error", "message": "input (99 tokens) is too large to process. increase"},
            ContextLengthExceeded,
            "This model's context holds 64 tokens, and the prompt has 99. Shorten the prompt.",
        ),
        (
            {"type": "invalid_request_error", "message": "Field 'n': [json.exception.type_error.302] bad"},
            InvalidRequest,
            "Field 'n': bad",
        ),
        ({"type": "not_supported_error", "message": "no such thing"}, UnsupportedFeature, "no such thing"),
        (
            {"type": "server_error", "message": "/secret"},
            UpstreamUnavailable,
            "The local model 'm' failed to answer.",
        ),
        ("odd", UpstreamUnavailable, "The local model 'm' failed to answer."),
    ],
)
def test_answers(error: Any, kind: type[PlatformError], message: str) -> None:
    found = failures.from_answer(error, provider="p", model="m", window=64)
    assert type(found) is kind
    assert found.message == message


def test_a_long_remark_is_cut() -> None:
    assert len(failures.from_exception(ValueError("x" * 9_999), provider="p", model="m").message) < 400
