"""From a call to a stream of events, whatever the front-end and whatever the provider."""

from collections.abc import Sequence

from app.inference.call import Attempt, Call, Stage, compose
from app.inference.catalog import LiveCatalog
from app.inference.provider import send
from app.inference.stages.attempt import WalkPlan


class Router:
    """`await open(call)` returns the stream once its first event is there; until then every failure is raised."""

    def __init__(
        self,
        catalog: LiveCatalog,
        *,
        call_stages: Sequence[Stage[Call]] = (),
        attempt_stages: Sequence[Stage[Attempt]] = (),
    ) -> None:
        self.catalog = catalog
        walk = WalkPlan(catalog, lambda: catalog.routing.policy, compose(attempt_stages, send))
        self.open = compose(call_stages, walk)
