import logging

import pytest

from app.core.integration_framework.events import EventPublisher


class Base: ...


class Special(Base): ...


def test_subscribers_hear_their_type_and_its_subclasses_in_order() -> None:
    events, heard = EventPublisher(), list[tuple[str, object]]()
    events.subscribe(Base, lambda event: heard.append(("base", event)))
    events.subscribe(Special, lambda event: heard.append(("special", event)))
    base, special = Base(), Special()
    for event in (base, special, "other"):
        events.publish(event)
    assert heard == [("base", base), ("base", special), ("special", special)]


def test_unsubscribing_ends_one_subscription_even_twice() -> None:
    events, heard = EventPublisher(), list[int]()
    end_first = events.subscribe(int, heard.append)
    events.subscribe(int, heard.append)
    end_first()
    end_first()
    events.publish(1)
    assert heard == [1]


def test_a_subscriber_that_raises_is_logged_and_hurts_no_other(caplog: pytest.LogCaptureFixture) -> None:
    events, heard = EventPublisher(), list[int]()
    events.subscribe(int, lambda event: event // 0)
    events.subscribe(int, heard.append)
    with caplog.at_level(logging.ERROR):
        events.publish(5)
    assert heard == [5]
    assert "a subscriber failed on int" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_subscribing_and_leaving_while_told_takes_effect_with_the_next_event() -> None:
    events, heard = EventPublisher(), list[str]()

    def once(event: int) -> None:
        end()
        events.subscribe(int, lambda later: heard.append(f"late {later}"))
        heard.append(f"once {event}")

    end = events.subscribe(int, once)
    events.publish(1)
    events.publish(2)
    assert heard == ["once 1", "late 2"]
