"""Which calls are recorded. The same verdicts as the SDK's samplers give, at a fraction of their cost."""

import logging
import os

import msgspec

from app.domain.tracing import SAMPLED, Trace, new_span, new_trace
from app.integrations.monitoring.opentelemetry.settings import OpenTelemetrySettings

_LOW = (1 << 64) - 1

logger = logging.getLogger(__name__)


class Sampling(msgspec.Struct, frozen=True):
    """`bound`: a trace is recorded when the low half of its id is below it, so that every service which samples by
    ratio keeps the same ones. `follow`: what the caller decided holds for what it sent.
    """

    ratio: float
    follow: bool

    @property
    def bound(self) -> int:
        return round(self.ratio * (_LOW + 1))


class Sampler:
    def __init__(self, sampling: Sampling) -> None:
        self._bound = sampling.bound
        self._follow = sampling.follow

    def begin(self, sent: Trace | None) -> Trace:
        """As Tracer has it."""
        if sent is None:
            id = new_trace()
            if id & _LOW < self._bound:
                return Trace(f"{id:032x}", "", SAMPLED, "", new_span())
            return Trace(f"{id:032x}", new_span())
        if sent.flags & SAMPLED if self._follow else int(sent.id[16:], 16) < self._bound:
            return Trace(sent.id, sent.parent, sent.flags | SAMPLED, sent.state, new_span())
        return Trace(sent.id, sent.parent, sent.flags & ~SAMPLED, sent.state)


_NAMES = {
    "always_on": (1.0, False),
    "always_off": (0.0, False),
    "traceidratio": (None, False),
    "parentbased_always_on": (1.0, True),
    "parentbased_always_off": (0.0, True),
    "parentbased_traceidratio": (None, True),
}
"""Values of OTEL_TRACES_SAMPLER: the ratio, None for that of OTEL_TRACES_SAMPLER_ARG; whether callers decide."""


def sampling_of(settings: OpenTelemetrySettings) -> Sampling:
    """What is not set is OTEL_TRACES_SAMPLER's to say; without it all is recorded that the caller allows."""
    name = os.environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
    if name not in _NAMES:
        logger.warning("OTEL_TRACES_SAMPLER names no sampler that is known here; parentbased_always_on is used")
    ratio, follow = _NAMES.get(name, (1.0, True))
    if settings.sample_ratio is not None:
        ratio = settings.sample_ratio
    if settings.follow_caller is not None:
        follow = settings.follow_caller
    return Sampling(_argument() if ratio is None else ratio, follow)


def _argument() -> float:
    """OTEL_TRACES_SAMPLER_ARG, 1 where it is none."""
    try:
        ratio = float(os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        logger.warning("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1; 1 is used")
        return 1.0
    return ratio
