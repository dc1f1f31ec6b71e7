"""What an operator reads of an upstream's failures."""

import pytest

from app.integrations.kit.failure_log import FailureLog


def test_each_status_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    failed = FailureLog("up", (), lambda: now)
    for now, status in ((0.0, 500), (1.0, 500), (2.0, 503), (59.0, 500), (61.0, 500)):
        failed(status, b"at %d" % now)
    assert [record.getMessage() for record in caplog.records] == [
        "up answered with status 500: at 0",
        "up answered with status 503: at 2",
        "up answered with status 500: at 61",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"wrong key: pass phrase",
        b'{"headers":{"authorization":"Bearer pass phrase"}}',
        b"sk-canary1234 is none",
        b"line\r\n2025 WARNING forged\x1b[31m pass phrase",
    ],
)
def test_it_shows_no_key_and_stays_one_line(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    FailureLog("up", ("pass phrase", ""))(401, body)
    (record,) = caplog.records
    shown = record.getMessage()
    assert "pass phrase" not in shown
    assert "canary" not in shown
    assert shown.isprintable()
    assert "[redacted]" in shown


@pytest.mark.parametrize(
    ("body", "shown"), [(b"", "no text"), (b"\xff\xfe", "\ufffd\ufffd"), (b"x" * 5000, "x" * 199 + "…")]
)
def test_any_bytes_will_do(body: bytes, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    FailureLog("up", ())(502, body)
    assert caplog.records[0].getMessage() == f"up answered with status 502: {shown}"
