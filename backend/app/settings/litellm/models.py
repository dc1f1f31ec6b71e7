"""Entries of one name as one model of ours, with its targets, limits, prices and time limits."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.settings.litellm.deployments import Deployment
from app.settings.litellm.draft import Draft
from app.settings.litellm.source import Given, Source
from app.settings.origins import FieldPath
from app.settings.schema import TimeoutSettings

MAX_RETRIES = 2

# Parameters that say the same, the one that counts first.
_WHOLE = ("timeout", "request_timeout")
_STREAM = ("stream_timeout", *_WHOLE)
_TRIES = ("num_retries", "max_retries")

# Parameters that are a field of a target as they are.
_LIMITS = (
    ("rpm", "requests_per_minute"),
    ("tpm", "tokens_per_minute"),
    ("max_parallel_requests", "max_concurrent"),
)
_PRICES = (
    ("input_cost_per_token", "input"),
    ("output_cost_per_token", "output"),
    ("cache_read_input_token_cost", "cached_input"),
    ("cache_creation_input_token_cost", "cache_write"),
)


class Models:
    """`defaults`: parameters that hold where an entry has none: timeout, stream_timeout, max_parallel_requests.
    `shuffled`: whether targets are picked by weight.
    """

    def __init__(self, source: Source, draft: Draft, defaults: Mapping[str, Given], *, shuffled: bool) -> None:
        self._source = source
        self._draft = draft
        self._defaults = defaults
        self._weights_by = ("weight", "rpm", "tpm") if shuffled else ("weight",)
        self._groups: dict[str, list[Deployment]] = {}
        self._priced: dict[tuple[str, str], Given] = {}

    def add(self, deployments: Iterable[Deployment]) -> None:
        first, whole = (_first(self._defaults, each) for each in (_STREAM, _WHOLE))
        self._limits(("timeouts",), first, whole)
        for each in deployments:
            self._groups.setdefault(str(each.name.value), []).append(each)
        for name, group in self._groups.items():
            self._model(name, group)

    @property
    def names(self) -> list[str]:
        return list(self._groups)

    def exact(self, wanted: Iterable[Given]) -> list[str]:
        """The names among them that the list has as they are. The others are told."""
        found = []
        for given in wanted:
            if given.value in self.names:
                found.append(given.value)
            else:
                self._source.tell(given.path, f"is left out: model_list has no model_name {given.value!r}")
        return found

    def add_by_id(self, given: Given) -> bool:
        """A model that leads to one entry alone, the one whose model_info has that id. If none has, it is told."""
        entries = [each for group in self._groups.values() for each in group]
        for each in entries:
            if "id" in each.info and str(each.info["id"].value) == given.value:
                self._groups[given.value] = [each]
                self._model(given.value, [each])
                return True
        self._source.tell(given.path, f"{given.value!r} is left out: model_list has no such model_name")
        return False

    def set(self, name: str, field: str, value: object, path: FieldPath) -> None:
        """A field of a model that the file's other sections speak of."""
        self._draft.put(("models", name, *field.split(".")), value, self._source.origin(path))

    def _model(self, name: str, group: Sequence[Deployment]) -> None:
        self._put(("models", name), Given({}, group[0].name.path))
        weights = self._weights(group)
        orders = self._orders(group)
        for at, deployment in enumerate(group):
            path: FieldPath = ("models", name, "targets", at)
            self._put((*path, "target"), Given(deployment.target, deployment.params["model"].path))
            for field, values in (("weight", weights), ("priority", orders)):
                if values:
                    self._put((*path, field), values[at])
            for parameter, field in _LIMITS:
                self._put((*path, field), deployment.params.get(parameter) or self._defaults.get(parameter))
            self._put((*path, "context_window"), deployment.info.get("max_input_tokens"))
            self._prices(deployment)
        self._times(name, group)

    def _put(self, path: FieldPath, given: Given | None) -> None:
        if given is not None:
            self._draft.put(path, given.value, self._source.origin(given.path))

    def _weights(self, group: Sequence[Deployment]) -> list[Given] | None:
        """LiteLLM picks by weight where one entry has it, else by rpm, else by tpm; who has none is not picked."""
        for parameter in self._weights_by:
            given = [each.params.get(parameter) for each in group]
            if any(given):
                weights = [each or Given(0, group[at].name.path) for at, each in enumerate(given)]
                return weights if len({str(each.value) for each in weights}) > 1 else None
        return None

    def _orders(self, group: Sequence[Deployment]) -> list[Given] | None:
        """Who has no order comes after those that have one."""
        given = [each.params.get("order") for each in group]
        if not any(given) or len(group) == 1:
            return None
        last = 1 + max(int(self._source.number(each) or 0) for each in given if each)
        return [each or Given(last, group[at].name.path) for at, each in enumerate(given)]

    def _prices(self, deployment: Deployment) -> None:
        known = {**deployment.info, **deployment.params}
        found = {field: known[parameter] for parameter, field in _PRICES if parameter in known}
        for field, given in found.items():
            price = self._source.number(given)
            if "input" not in found:
                self._source.tell(given.path, "is left out: a price needs input_cost_per_token too")
            elif price is not None:
                self._price(deployment.target, field, Given(_per_million(price), given.path))

    def _price(self, target: str, field: str, given: Given) -> None:
        before = self._priced.setdefault((target, field), given)
        if before.value == given.value:
            self._put(("prices", target, field), before)
        else:
            self._source.tell(given.path, f"is left out: {target} has another price already")

    def _times(self, name: str, group: Sequence[Deployment]) -> None:
        """Time limits and retries are a model's here, so the largest of its entries counts."""
        about: FieldPath = ("models", name)
        first = self._largest(self._own(group, _STREAM), about)
        whole = self._largest(self._own(group, _WHOLE), ())
        self._limits((*about, "timeouts"), first, whole)
        tries = [self.retries(each, about) for each in self._own(group, _TRIES)]
        self._put((*about, "retries"), self._largest(tries, about))

    def _limits(self, path: FieldPath, first: Given | None, whole: Given | None) -> None:
        """`first`: for the first piece of a stream. `whole`: for an answer, which its integration sees to; the
        limit for a request must leave that much time.
        """
        self._put((*path, "first_token"), first)
        for given in (whole, first):
            if given is not None and (self._source.number(given) or 0) > TimeoutSettings().total:
                self._put((*path, "total"), given)

    def _own(self, group: Sequence[Deployment], parameters: Sequence[str]) -> list[Given]:
        """What counts for each entry; nothing if that is a default everywhere, which is set for all models."""
        given = [_first({**self._defaults, **each.params}, parameters) for each in group]
        found = [each for each in given if each is not None]
        own = [each for each in found if each not in self._defaults.values()]
        return found if own else []

    def _largest(self, given: Sequence[Given], about: FieldPath) -> Given | None:
        """With `about`, it is told which of them does not count."""
        if not given:
            return None
        largest = max(given, key=lambda each: self._source.number(each) or 0)
        for each in given if about else ():
            if each.value != largest.value and each not in self._defaults.values():
                self._source.tell(
                    each.path, f"{largest.value} is taken, the largest of this model's entries", about
                )
        return largest

    def retries(self, given: Given, about: FieldPath) -> Given:
        """As many as there may be: a request has three tries at most."""
        number = self._source.number(given)
        if number is None or number <= MAX_RETRIES:
            return given
        self._source.tell(given.path, f"{MAX_RETRIES} is taken: a request has three tries at most", about)
        return Given(MAX_RETRIES, given.path)


def _first(params: Mapping[str, Given], parameters: Sequence[str]) -> Given | None:
    return next((params[each] for each in parameters if each in params), None)


def _per_million(price: float) -> Any:
    """2.5e-06 is 2.5: by decimals, since floats would make it 2.4999999999999996."""
    return float(Decimal(repr(price)) * 1_000_000)
