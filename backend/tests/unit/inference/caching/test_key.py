"""What is the same request, and what is another one."""

from collections.abc import Callable

import pytest

from app.domain.chat import ChatRequest, Message, TextPart
from app.domain.errors import InvalidRequest
from app.domain.exchange import Encoded
from app.inference.caching.key import key_of
from app.inference.call import Call
from app.inference.policy import CachePolicy
from app.inference.routes import ConfiguredModel, Route
from app.wire.splice import splice
from tests.unit.inference.caching.room import ANN, BOB, asking
from tests.unit.inference.targets import snapshot

ALONE, SHARED = CachePolicy(), CachePolicy(shared=True)
BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":1}'


def key(call: Call, policy: CachePolicy = ALONE, leads_to: str = "a", name: str = "m") -> str | None:
    models = {name: ConfiguredModel(routes=[Route(integration=leads_to, model="model")])}
    return key_of(call, snapshot(models).entry(name), policy)


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b'{"seed":1,"messages":[{"role":"user","content":"hi"}],"model":"m"}',
        b' {\n "model" : "m",\t"messages":[{"role":"user","content":"hi"}] , "seed": 1 }\n',
    ],
)
def test_the_order_of_the_fields_and_the_space_between_them_mean_nothing(body: bytes) -> None:
    assert key(asking(body)) == key(asking(BODY))


@pytest.mark.parametrize(
    "body",
    [
        BODY.replace(b"hi", b"ho"),
        BODY.replace(b'"seed":1', b'"seed":1.0'),
        BODY.replace(b'"seed":1', b'"seed":2'),
        BODY.replace(b',"seed":1', b""),
        BODY.replace(b'"seed":1', b'"seed":1,"user":"x"'),
        # A schema's properties are written in this order by the model.
        BODY.replace(b'{"role":"user","content":"hi"}', b'{"content":"hi","role":"user"}'),
    ],
)
def test_another_request(body: bytes) -> None:
    assert key(asking(body)) != key(asking(BODY))


@pytest.mark.parametrize(
    "other",
    [
        lambda: key(asking(BODY, principal=BOB)),
        lambda: key(asking(BODY, stream=False)),
        lambda: key(asking(BODY, operation="text_completion")),
        lambda: key(asking(BODY, encoded=Encoded("g", BODY, splice))),
        lambda: key(asking(BODY, encoded=Encoded("f", BODY, splice, (("anthropic-version", "1"),)))),
        lambda: key(asking(BODY), leads_to="b"),
        lambda: key(asking(BODY), name="n"),
        lambda: key(asking(BODY), SHARED),
        lambda: key(asking(BODY, encoded=None, decode=lambda: BODY.decode())),
    ],
    ids=["who", "streams", "operation", "format", "headers", "where it leads", "name", "shared", "domain"],
)
def test_another_call(other: Callable[[], str | None]) -> None:
    assert other() != key(asking(BODY))


def test_who_asks_means_nothing_where_answers_are_shared() -> None:
    assert key(asking(BODY, principal=ANN), SHARED) == key(asking(BODY, principal=BOB), SHARED)


@pytest.mark.parametrize(
    "body",
    [
        BODY.replace(b'"seed":1', b'"seed":1,"seed":2'),
        BODY.replace(b'"seed":1', b'"s\\u0065ed":1,"seed":2'),
        b"{" + b",".join(b'"%d":0' % number for number in range(1001)) + b"}",
    ],
    ids=["twice", "twice, once in disguise", "more fields than there are"],
)
def test_a_request_that_is_not_clear_about_itself_has_none(body: bytes) -> None:
    """An upstream may read another request in it, and its answer must not be given to who asked that one."""
    assert key(asking(body)) is None


def test_requests_of_front_ends_without_bytes_are_the_same_by_what_they_say() -> None:
    def chat(text: str) -> Call:
        request = ChatRequest(model="m", messages=(Message(role="user", content=(TextPart(text=text),)),))
        return asking(encoded=None, decode=lambda: request)

    assert key(chat("hi")) == key(chat("hi")) != key(chat("ho"))


def test_a_request_that_can_not_be_read_is_said_to_be_so() -> None:
    def decode() -> None:
        raise InvalidRequest("'messages' is missing.")

    with pytest.raises(InvalidRequest):
        key(asking(encoded=None, decode=decode))
