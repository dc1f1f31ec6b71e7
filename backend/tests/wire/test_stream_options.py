"""Usage asked for, and not one byte more."""

import pytest

from app.domain.errors import InvalidRequest
from app.wire.openai_chat import request
from app.wire.stream_options import ask_usage

ASKED = b'"stream_options":{"include_usage":true}'
REST = b'"model":"m" ,"x":[1.0,1e2], "messages":[{"role":"user","content":"caf\\u00e9 \xc3\xa9"}]'
LONG = b'"messages":[{"role":"user","content":"' + b'\\"stream_options\\" ' * 2000 + b'"}]'


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (b"{" + REST + b"}", b"{" + ASKED + b"," + REST + b"}"),
        (b"\n { " + REST + b"}", b"\n {" + ASKED + b", " + REST + b"}"),
        (b'{"stream_options":null,' + REST + b"}", b"{" + ASKED + b"," + REST + b"}"),
        (b"{" + REST + b', "stream_options" :{}}', b"{" + REST + b', "stream_options" :{"include_usage":true}}'),
        (b'{"stream_options":{"include_usage":false},' + REST + b"}", b"{" + ASKED + b"," + REST + b"}"),
        (b'{"stream_options":{"include_usage":null},' + REST + b"}", b"{" + ASKED + b"," + REST + b"}"),
        (
            b'{"stream_options":{"x": 1.0,"include_usage":false},' + REST + b"}",
            b'{"stream_options":{"x":1.0,"include_usage":true},' + REST + b"}",
        ),
        (
            b'{"tools":[{"stream_options":{}}],' + REST + b"}",
            b"{" + ASKED + b',"tools":[{"stream_options":{}}],' + REST + b"}",
        ),
        (
            b'{"stream\\u005foptions":{"include_usage":false},' + REST + b"}",
            b'{"stream\\u005foptions":{"include_usage":true},' + REST + b"}",
        ),
        (b'{"model":"m",' + LONG + b"}", b"{" + ASKED + b',"model":"m",' + LONG + b"}"),
        (b'{"model":"m",' + LONG + b',"stream_options":null}', b'{"model":"m",' + LONG + b"," + ASKED + b"}"),
    ],
)
def test_asked(body: bytes, want: bytes) -> None:
    assert ask_usage(body) == want
    assert ask_usage(want) is want


@pytest.mark.parametrize("options", [b'{"include_usage":true}', b'{ "include_usage" : true , "x":[1.0] }'])
def test_who_asks_is_left_as_he_is(options: bytes) -> None:
    body = b'{"stream_options":' + options + b"," + REST + b"}"
    assert ask_usage(body) is body


@pytest.mark.parametrize(
    "options",
    [
        b'"stream_options":[]',
        b'"stream_options":true',
        b'"stream_options":{"include_usage":"yes"}',
        b'"stream_options":null,"stream_options":{}',
        b'"Stream_Options":{}',
    ],
)
def test_what_could_be_read_otherwise_is_refused_before(options: bytes) -> None:
    with pytest.raises(InvalidRequest):
        request.peek(b"{" + options + b"," + REST + b"}")
