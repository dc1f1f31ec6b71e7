"""Counts what happens beside calls: models that come into memory and go, callers without a good key, CPU time."""

import time

from app.core.integration_framework import EventPublisher
from app.domain.models import ModelLoaded, ModelLoadFailed, ModelUnloaded
from app.domain.observing import Observable
from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.labels import OTHER
from app.integrations.monitoring.prometheus.shelf import Shelf

_Moved = ModelLoaded | ModelUnloaded | ModelLoadFailed


class EventMeter:
    """Listens to `events` until `stop`. Raises Full where the shelf is."""

    def __init__(self, shelf: Shelf, platform: Observable, events: EventPublisher) -> None:
        self._shelf = shelf
        self._platform = platform
        self._refused_before = dict(platform.refused_keys())
        self._cpu = shelf.place(families.CPU_SECONDS)
        for result in ("loaded", "unloaded", "failed"):
            shelf.add(families.MODEL_LOADS, 0.0, OTHER, OTHER, result)
        self._stops = [
            events.subscribe(ModelLoaded, self._loaded),
            events.subscribe(ModelUnloaded, lambda event: self._moved(event, "unloaded")),
            events.subscribe(ModelLoadFailed, lambda event: self._moved(event, "failed")),
        ]

    def catch_up(self) -> None:
        """With what is counted elsewhere."""
        for reason, count in self._platform.refused_keys().items():
            self._shelf.add(families.KEY_REFUSALS, count - self._refused_before.get(reason, 0), reason)
            self._refused_before[reason] = count
        self._shelf.values[self._cpu] = time.process_time()

    def stop(self) -> None:
        for stop in self._stops:
            stop()

    def _loaded(self, event: ModelLoaded) -> None:
        self._moved(event, "loaded")
        if event.seconds is not None:
            self._shelf.observe(families.LOAD_SECONDS, event.seconds, self._model(event), event.integration)

    def _moved(self, event: _Moved, result: str) -> None:
        self._shelf.add(families.MODEL_LOADS, 1.0, self._model(event), event.integration, result)

    def _model(self, event: _Moved) -> str:
        return event.model if self._platform.knows_target(event.integration, event.model) else OTHER
