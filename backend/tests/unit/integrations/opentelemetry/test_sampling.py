"""Which calls are recorded: the SDK's own samplers are the judge. And what the environment says of it."""

import pytest
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from app.domain.tracing import Trace
from app.integrations.monitoring.opentelemetry.sampling import Sampler as Ours
from app.integrations.monitoring.opentelemetry.sampling import Sampling, sampling_of
from app.integrations.monitoring.opentelemetry.settings import OpenTelemetrySettings

IDS = [
    "0af7651916cd43dd0000000000000000",
    "0af7651916cd43dd1999999999999999",
    "0af7651916cd43dd8000000000000000",
    "0af7651916cd43ddffffffffffffffff",
]
PARENT = "b7ad6b7169203331"


def theirs(sampling: Sampling) -> Sampler:
    by_ratio = TraceIdRatioBased(sampling.ratio)
    return ParentBased(by_ratio) if sampling.follow else by_ratio


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("flags", [0, 1, 2, 3])
@pytest.mark.parametrize("id", IDS)
def test_as_the_sdk_would(ratio: float, follow: bool, flags: int, id: str) -> None:
    sampling = Sampling(ratio, follow)
    known = SpanContext(int(id, 16), int(PARENT, 16), True, TraceFlags(flags))
    context = set_span_in_context(NonRecordingSpan(known))
    verdict = theirs(sampling).should_sample(context, int(id, 16), "call")
    trace = Ours(sampling).begin(Trace(id, PARENT, flags, "vendor=1"))
    assert bool(trace.span) is trace.sampled is verdict.decision.is_sampled()
    assert (trace.id, trace.parent, trace.state) == (id, PARENT, "vendor=1")
    assert trace.flags & 2 == flags & 2


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_trace_that_begins_here(ratio: float) -> None:
    trace = Ours(Sampling(ratio, follow=True)).begin(None)
    assert bool(trace.span) is trace.sampled is (ratio == 1.0)
    (name, told), *_ = trace.headers(trace.span)
    version, id, span, flags = told.split("-")
    assert (name, version, len(id), len(span), flags) == ("traceparent", "00", 32, 16, f"0{int(ratio)}")


@pytest.mark.parametrize(
    ("environment", "settings", "sampling"),
    [
        ({}, {}, Sampling(1.0, True)),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, {}, Sampling(1.0, False)),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, {}, Sampling(0.0, False)),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, {}, Sampling(0.0, True)),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, {}, Sampling(0.25, False)),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
            {},
            Sampling(0.25, True),
        ),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "much"}, {}, Sampling(1.0, False)),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"}, {}, Sampling(1.0, False)),
        ({"OTEL_TRACES_SAMPLER": "nobodys"}, {}, Sampling(1.0, True)),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, {"sample_ratio": 0.5}, Sampling(0.5, False)),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, {"follow_caller": True}, Sampling(1.0, True)),
    ],
)
def test_who_says_so(
    environment: dict[str, str],
    settings: dict[str, object],
    sampling: Sampling,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert sampling_of(OpenTelemetrySettings.model_validate(settings)) == sampling


@pytest.mark.parametrize(
    ("environment", "settings", "protocol", "sends"),
    [
        ({}, {}, "http/protobuf", True),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {}, "grpc", True),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            {},
            "http/protobuf",
            True,
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"protocol": "http/protobuf"}, "http/protobuf", True),
        ({"OTEL_TRACES_EXPORTER": "none"}, {}, "http/protobuf", False),
        ({}, {"traces": False}, "http/protobuf", False),
    ],
)
def test_how_and_whether_it_is_sent(
    environment: dict[str, str],
    settings: dict[str, object],
    protocol: str,
    sends: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = OpenTelemetrySettings.model_validate(settings)
    assert (found.protocol_of("TRACES"), found.sends("TRACES")) == (protocol, sends)
