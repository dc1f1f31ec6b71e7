"""What is read of traceparent and tracestate, and what is told to who is asked next."""

import pytest

from app.domain.tracing import received, told_in

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{ID}-{SPAN}-01"


@pytest.mark.parametrize(
    ("parent", "state", "onward"),
    [
        pytest.param(GOOD, None, {"traceparent": GOOD}, id="plain"),
        pytest.param(GOOD, "a=1,b=2", {"traceparent": GOOD, "tracestate": "a=1,b=2"}, id="with a state"),
        pytest.param(f"00-{ID}-{SPAN}-00", None, {"traceparent": f"00-{ID}-{SPAN}-00"}, id="not sampled"),
        pytest.param(f"00-{ID}-{SPAN}-ff", None, {"traceparent": f"00-{ID}-{SPAN}-03"}, id="flags of tomorrow"),
        pytest.param(f"01-{ID}-{SPAN}-01-more", None, {"traceparent": GOOD}, id="a later version"),
        pytest.param(GOOD, "a=1\r\nx-admin: 1", {"traceparent": GOOD}, id="a state that breaks the header"),
        pytest.param(GOOD, "a=" + "x" * 600, {"traceparent": GOOD}, id="a state that is too long"),
    ],
)
def test_what_came_is_handed_on(parent: str, state: str | None, onward: dict[str, str]) -> None:
    trace = received(parent, state)
    assert trace is not None
    assert dict(trace.headers()) == onward


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "nonsense",
        GOOD.upper(),
        f"{GOOD}-more",
        f"ff-{ID}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID}-{SPAN}-01\r\nx-admin: 1",
        f"00-{ID[:-1]}-{SPAN}-01",
    ],
)
def test_what_makes_no_sense_counts_as_not_sent(parent: str | None) -> None:
    assert received(parent) is None


def test_an_attempt_has_a_span_of_its_own() -> None:
    trace = received(GOOD)
    assert trace is not None
    assert trace.headers("00000000000000aa") == (("traceparent", f"00-{ID}-00000000000000aa-01"),)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"traceparent": GOOD}, True),
        ({"traceparent": GOOD, "tracestate": 7}, True),
        ({"traceparent": 7}, False),
        ({}, False),
        (None, False),
        ("traceparent", False),
    ],
)
def test_a_message_may_carry_it(fields: object, found: bool) -> None:
    assert (told_in(fields) is not None) is found
