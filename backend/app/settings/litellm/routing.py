"""LiteLLM's router_settings, most of which may stand in litellm_settings, as `routing` and `cache`.

Aliases and fallbacks: fallbacks.py.
"""

from collections.abc import Mapping

from app.settings.litellm.draft import Draft
from app.settings.litellm.models import Models
from app.settings.litellm.sections import RETRY_POLICY, ROUTING_GROUP
from app.settings.litellm.source import Given, Source
from app.settings.origins import FieldPath
from app.settings.routing import BreakerSettings

_STRATEGIES: Mapping[str, str] = {
    "simple-shuffle": "weighted",
    "least-busy": "least_busy",
    "latency-based-routing": "lowest_latency",
    "cost-based-routing": "cheapest",
    "usage-based-routing": "least_busy",
    "usage-based-routing-v2": "least_busy",
}

_CAUSES: Mapping[str, str] = {
    "TimeoutErrorRetries": "retries_by_cause.timeout",
    "RateLimitErrorRetries": "retries_by_cause.rate_limit",
    "AuthenticationErrorRetries": "retries_by_cause.auth",
    "InternalServerErrorRetries": "retries_by_cause.server_error",
    "ServiceUnavailableErrorRetries": "retries_by_cause.server_error",
    "DefaultRetries": "retries",
}

_STORES: Mapping[str, str] = {"local": "memory", "redis": "redis"}


class Routing:
    """`settings`: litellm_settings with router_settings over them."""

    def __init__(self, source: Source, draft: Draft, models: Models, settings: Mapping[str, Given]) -> None:
        self._source = source
        self._draft = draft
        self._models = models
        self._settings = settings

    def translate(self) -> None:
        self._strategies()
        self._retries()
        self._breaker()
        self._cache()

    def _put(self, path: FieldPath, value: object, given: Given) -> None:
        self._draft.put(path, value, self._source.origin(given.path))

    def _strategies(self) -> None:
        given = self._settings.get("routing_strategy")
        if given is not None and (strategy := self._strategy(given)):
            self._put(("routing", "strategy"), strategy, given)
        groups = self._settings.get("routing_groups")
        for group in self._source.sequence(groups.path) if groups else ():
            fields = self._source.section(group.path, ROUTING_GROUP)
            wanted = fields.get("routing_strategy")
            strategy = self._strategy(wanted) if wanted else None
            for name in self._models.exact(self._source.sequence((*group.path, "models"))) if strategy else ():
                self._models.set(name, "strategy", strategy, group.path)

    def _strategy(self, given: Given) -> str | None:
        strategy = _STRATEGIES.get(str(given.value))
        message = ""
        if strategy is None:
            message = f"there is no strategy like {given.value}: the weight of the entries counts"
        elif str(given.value).startswith("usage"):
            message = (
                "the entry with the fewest requests under way is picked, not the one with the fewest tokens this "
                "minute; its rpm and tpm hold"
            )
        if message:
            self._source.tell(given.path, message, ("routing",))
        return strategy

    def _retries(self) -> None:
        given = self._settings.get("num_retries") or self._settings.get("max_retries")
        if given is not None:
            self._put(("routing", "retries"), self._models.retries(given, ("routing",)).value, given)
        everywhere = self._settings.get("retry_policy")
        if everywhere is not None:
            self._by_cause(self._models.names, everywhere)
        groups = self._settings.get("model_group_retry_policy")
        for name, policy in self._source.mapping(groups.path).items() if groups else ():
            self._by_cause(self._models.exact([Given(name, policy.path)]), policy)

    def _by_cause(self, names: list[str], policy: Given) -> None:
        for cause, given in self._source.section(policy.path, RETRY_POLICY).items():
            if cause in _CAUSES:
                tries = self._models.retries(given, ("routing",)).value
                for name in names:
                    self._models.set(name, _CAUSES[cause], tries, given.path)

    def _breaker(self) -> None:
        off = self._settings.get("disable_cooldowns")
        cooldown = self._settings.get("cooldown_time")
        seconds = self._source.number(cooldown)
        if cooldown is not None and seconds == 0:
            off = cooldown
        if off is not None and (off is cooldown or self._source.switch(off)):
            self._put(("routing", "breaker", "failures"), 0, off)
            self._put(("routing", "rate_limit_rest"), 0, off)
            return
        fails = self._settings.get("allowed_fails")
        number = self._source.number(fails)
        if fails is not None and number is not None:
            self._put(("routing", "breaker", "failures"), int(number) + 1, fails)
        if cooldown is not None and seconds:
            self._put(("routing", "breaker", "cooldown"), cooldown.value, cooldown)
            self._put(("routing", "rate_limit_rest"), cooldown.value, cooldown)
            if seconds > BreakerSettings().max_cooldown:
                self._put(("routing", "breaker", "max_cooldown"), cooldown.value, cooldown)

    def _cache(self) -> None:
        given = self._settings.get("cache")
        params = self._source.mapping(("litellm_settings", "cache_params"))
        kind, mode, ttl = (params.get(name) for name in ("type", "mode", "ttl"))
        if given is None or not self._source.switch(given) or (mode and mode.value == "default_off"):
            return
        store = _STORES.get(str(kind.value)) if kind else "redis"
        if store is None:
            self._source.tell((kind or given).path, "there is no cache like it, so no answer is kept")
            return
        if store == "redis" and not self._source.environ.get("REDIS_URL"):
            self._source.tell(
                (kind or given).path, "answers are kept in memory, as REDIS_URL is not set", ("cache",)
            )
            store = "memory"
        self._put(("cache", "store"), store, kind or given)
        for name in self._models.names:
            self._models.set(name, "cache", {"ttl": ttl.value} if ttl else True, (ttl or given).path)
