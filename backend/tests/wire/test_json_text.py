"""What is wrong in a caller's JSON, in words of ours and with the field at fault."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from app.domain.errors import InvalidRequest
from app.wire.json_text import decode_request


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1)]
    name: Annotated[str, Meta(pattern="^[a-z]+$")] = "x"


class Body(msgspec.Struct, forbid_unknown_fields=True):
    query: str
    rates: list[Inner] = []
    metadata: dict[Annotated[str, Meta(max_length=3)], str] = {}
    kind: Literal["a", "b"] | None = None


DECODER = msgspec.json.Decoder(Body)


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        ("{}", "The required field 'query' is missing.", "query"),
        ("[]", "The body: expected an object, got an array.", None),
        ('{"query": 1}', "'query': expected a string, got an integer.", "query"),
        ('{"query": "", "rates": [{}]}', "The required field 'rates[0].limit' is missing.", "rates[0].limit"),
        ('{"query": "", "qeury": 1}', "There is no field 'qeury' here.", "qeury"),
        (
            '{"query": "", "rates": [{"limit": 1, "unit": 2}]}',
            "There is no field 'rates[0].unit' here.",
            "rates[0].unit",
        ),
        (
            '{"query": "", "rates": [{"limit": 1, "name": "A"}]}',
            "'rates[0].name': it holds characters that may not stand there.",
            "rates[0].name",
        ),
        (
            '{"query": "", "metadata": {"a": 1}}',
            "A value in 'metadata': expected a string, got an integer.",
            "metadata",
        ),
        (
            '{"query": "", "metadata": {"long": "1"}}',
            "A name in 'metadata': expected a string of length <= 3.",
            "metadata",
        ),
        ('{"query": "", "kind": "c"}', "'kind': 'c' is none of a, b.", "kind"),
        ('{"query": ""', "The body is not valid JSON: it ends too early.", None),
    ],
)
def test_it_is_told_as_a_caller_would_say_it(body: str, message: str, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(DECODER, body.encode())
    assert (caught.value.message, caught.value.param) == (message, param)
