"""Alertmanager's API v2, as far as it is spoken here: its JSON to alerts and silences, and back. Pure functions.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec

from app.domain.alerts import Alert, Matcher, NewSilence, Silence
from app.domain.errors import ProviderProtocolError

T = TypeVar("T")


class _AlertStatus(msgspec.Struct, rename="camel"):
    state: str
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


class _Alert(msgspec.Struct, rename="camel"):
    fingerprint: str
    starts_at: datetime
    status: _AlertStatus
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class _Matcher(msgspec.Struct, rename="camel"):
    name: str
    value: str
    is_regex: bool
    is_equal: bool = True


class _SilenceStatus(msgspec.Struct):
    state: Literal["pending", "active", "expired"]


class _Silence(msgspec.Struct, rename="camel"):
    id: str
    status: _SilenceStatus
    matchers: list[_Matcher]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""


class _Version(msgspec.Struct):
    version: str = ""


class _Cluster(msgspec.Struct):
    status: str = ""


class Status(msgspec.Struct, rename="camel"):
    version_info: _Version
    cluster: _Cluster


def status(name: str, found: object) -> Status:
    return _checked(name, found, Status)


def alerts(name: str, found: object) -> tuple[Alert, ...]:
    """By severity and age."""
    told = [_alert(each) for each in _checked(name, found, list[_Alert])]
    return tuple(sorted(told, key=lambda each: (each.severity != "critical", each.since, each.id)))


def silences(name: str, found: object) -> tuple[Silence, ...]:
    """Those that hold, or will; the one that ends first comes first."""
    told = [_silence(each) for each in _checked(name, found, list[_Silence])]
    return tuple(sorted((each for each in told if each.state != "expired"), key=lambda each: each.ends_at))


def silence_id(name: str, found: object) -> str:
    return _checked(name, found, dict[str, str]).get("silenceID", "")


def new_silence(wanted: NewSilence, by: str, now: float) -> Mapping[str, Any]:
    matchers = [
        _Matcher(name=each.name, value=each.value, is_regex=each.regex, is_equal=each.equal)
        for each in wanted.matchers
    ]
    return {
        "matchers": matchers,
        "startsAt": stamp(now),
        "endsAt": stamp(now + wanted.seconds),
        "createdBy": by,
        "comment": wanted.comment or "silenced through the LLM platform",
    }


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _alert(found: _Alert) -> Alert:
    return Alert(
        id=found.fingerprint,
        name=found.labels.get("alertname", ""),
        severity=found.labels.get("severity", ""),
        state=found.status.state,
        summary=found.annotations.get("summary", ""),
        description=found.annotations.get("description", ""),
        since=found.starts_at.timestamp(),
        labels=found.labels,
        silenced_by=found.status.silenced_by,
        inhibited_by=found.status.inhibited_by,
    )


def _silence(found: _Silence) -> Silence:
    return Silence(
        id=found.id,
        state=found.status.state,
        matchers=tuple(
            Matcher(name=each.name, value=each.value, regex=each.is_regex, equal=each.is_equal)
            for each in found.matchers
        ),
        starts_at=found.starts_at.timestamp(),
        ends_at=found.ends_at.timestamp(),
        created_by=found.created_by,
        comment=found.comment,
    )


def _checked(name: str, found: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError:
        raise ProviderProtocolError(f"'{name}' does not answer as Alertmanager does.", provider=name) from None
