"""Spans as they may leave the platform: a library may have noted an address, or the text of an exception."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from app.core.redaction import redact


def without_secrets(spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    return [_clean(span) for span in spans]


def _clean(span: ReadableSpan) -> ReadableSpan:
    """The span itself, where there is nothing to hide."""
    name, attributes = redact(span.name), _cleaned(span.attributes)
    status = span.status
    described = None if status.description is None else redact(status.description)
    if name == span.name and attributes is None and described == status.description and not span.events:
        return span
    return ReadableSpan(
        name,
        span.context,
        span.parent,
        span.resource,
        span.attributes if attributes is None else attributes,
        events=[
            Event(redact(each.name), _cleaned(each.attributes) or each.attributes, each.timestamp)
            for each in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(status.status_code, described),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _cleaned(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """None where nothing had to be changed."""
    found = dict(attributes or {})
    cleaned = {name: _value(value) for name, value in found.items()}
    return None if cleaned == found else cleaned


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    return (
        tuple(redact(each) if isinstance(each, str) else each for each in value)
        if isinstance(value, tuple)
        else value
    )
