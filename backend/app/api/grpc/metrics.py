"""The service Metrics: the tally, live."""

import asyncio

from app.api.context import ApiContext
from app.api.grpc.door import Rpc, caller
from app.api.grpc.generated.llm_platform.v1 import metrics_pb2 as pb
from app.api.grpc.generated.llm_platform.v1 import metrics_pb2_grpc
from app.inference.tally import Figures, ModelFigures

_SHORTEST, _USUAL, _LONGEST = 0.1, 1.0, 3600.0


class Metrics(metrics_pb2_grpc.MetricsServicer):
    def __init__(self, context: ApiContext) -> None:
        self._tally = context.tally

    async def GetMetrics(self, request: pb.GetMetricsRequest, rpc: Rpc) -> None:  # noqa: N802
        wanted = request.interval_seconds if request.HasField("interval_seconds") else _USUAL
        interval = min(max(_SHORTEST, wanted), _LONGEST)
        told = None
        while True:
            if self._tally.version != told:
                told = self._tally.version
                await caller().again()
                await rpc.write(encode_figures(self._tally.snapshot()))
            if request.once:
                return
            await asyncio.sleep(interval)


def encode_figures(figures: Figures) -> pb.MetricsSnapshot:
    return pb.MetricsSnapshot(
        since=figures.since,
        at=figures.at,
        active=figures.active,
        total=_encode(figures.total),
        models={name: _encode(each) for name, each in figures.models.items()},
    )


def _encode(figures: ModelFigures) -> pb.ModelFigures:
    return pb.ModelFigures(
        requests=figures.requests,
        errors=figures.errors,
        cancelled=figures.cancelled,
        input_tokens=figures.input_tokens,
        output_tokens=figures.output_tokens,
        seconds=figures.seconds,
    )
