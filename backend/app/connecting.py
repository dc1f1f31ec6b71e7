"""What the core takes from integrations, found anew whenever one of them changes its state."""

from collections.abc import Iterable

from app.accounts.limits.admission import Admission
from app.core.integration_framework import IntegrationManager
from app.domain.ports import Cache, CallSink, ModelSource, ScriptRunner
from app.domain.tracing import Tracer
from app.inference.caching.answers import Answers
from app.inference.catalog import Source
from app.inference.stages.account import Account
from app.inference.stages.plugged import CallStage, PluggedStages
from app.inference.stages.trace import TraceCalls
from app.settings import Settings


def sources(manager: IntegrationManager) -> Iterable[Source]:
    """Who knows models, for the catalogue."""
    for integration in manager.instances():
        if isinstance(integration, ModelSource):
            yield Source(
                source=integration,
                serving=manager.serves(integration.name),
                priority=integration.config.priority,
                kind=integration.config.effective_kind,
            )


class Connections:
    """Who is told of calls, traces them and stands in their way; who counts for all processes; where answers are
    kept.
    """

    def __init__(
        self,
        manager: IntegrationManager,
        account: Account,
        traces: TraceCalls,
        plugged: PluggedStages,
        admission: Admission,
        answers: Answers,
    ) -> None:
        self._manager = manager
        self._account = account
        self._traces = traces
        self._plugged = plugged
        self._admission = admission
        self._answers = answers

    def find(self, settings: Settings) -> None:
        provided = self._manager.providing
        self._account.invite(sink.call_ended for sink in provided(CallSink))
        self._traces.tracer = next((tracer for tracer in provided(Tracer) if tracer.tracing), None)
        self._plugged.stages = [integration.on_call for integration in provided(CallStage)]
        self._admission.limits.runner = next(iter(provided(ScriptRunner)), None)
        wanted = settings.cache
        self._answers.memory.limit = wanted.max_bytes
        self._answers.most_bytes = wanted.max_answer_bytes
        stores = provided(Cache) if wanted.store == "redis" else []
        self._answers.shared = next(iter(stores), None)
