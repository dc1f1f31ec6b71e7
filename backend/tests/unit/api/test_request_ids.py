import pytest

from app.api.request_ids import request_id


@pytest.mark.parametrize("given", ["a", "abc-123_X", "x" * 128])
def test_a_plain_short_word_is_kept(given: str) -> None:
    assert request_id(given) == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", "é", "٣", "-", "a\n"])
def test_anything_else_is_replaced(given: str) -> None:
    first, second = request_id(given), request_id(given)
    assert first.startswith("req-")
    assert first != second
