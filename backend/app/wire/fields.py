"""Reading one JSON object field by field, so that what nobody asked for is left over and can be kept.

No format is known here. A field that is taken leaves the object; one that only repeats the default stays, since
the domain could not tell it from an absent one. What is left becomes the value's extensions.
"""

from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

from app.domain.errors import InvalidRequest, PlatformError, ProviderProtocolError

F = TypeVar("F", bound="Fields")
_INTEGER = (int,)
_NUMBER = (int, float)


class Fields:
    """The fields of `value`, which is consumed. Every method raises the subclass's error for a wrong type."""

    __slots__ = ("path", "rest")

    def __init__(self, value: object, path: str = "") -> None:
        self.path = path
        self.rest: dict[str, Any] = {}
        if type(value) is not dict:
            raise self.wrong("", "an object")
        self.rest = value

    def error(self, message: str, param: str) -> PlatformError:
        raise NotImplementedError

    def wrong(self, name: str, expected: str) -> PlatformError:
        param = self.at(name)
        return self.error(f"'{param}': expected {expected}." if param else f"Expected {expected}.", param)

    def at(self, name: str) -> str:
        """The dotted path of the field `name`."""
        return f"{self.path}.{name}" if self.path and name else self.path or name

    def text(self, name: str) -> str | None:
        value = self.rest.get(name)
        if type(value) is str:
            del self.rest[name]
            return value
        return None if value is None else self._refuse(name, "a string")

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            param = self.at(name)
            raise self.error(f"The required field '{param}' is missing.", param)
        return value

    def integer(self, name: str) -> int | None:
        value = self.rest.get(name)
        if type(value) is int:
            del self.rest[name]
            return value
        return None if value is None else self._refuse(name, "an integer")

    def count(self, name: str, default: int) -> int:
        """An integer, left in place when it is the default."""
        value = self.rest.get(name)
        if value is None or (value == default and type(value) is int):
            return default
        taken: int = self._take(name, _INTEGER, "an integer")
        return taken

    def number(self, name: str) -> float | None:
        value: float | None = self._take(name, _NUMBER, "a number") if name in self.rest else None
        return value

    def flag(self, name: str) -> bool | None:
        value: bool | None = self._take(name, (bool,), "true or false") if name in self.rest else None
        return value

    def switch(self, name: str) -> bool:
        """Whether it is on; an explicit false is left in place."""
        if self.rest.get(name) is False:
            return False
        return bool(self.flag(name))

    def array(self, name: str) -> list[Any]:
        """An empty one is left in place."""
        value = self.rest.get(name)
        if type(value) is list:
            if value:
                del self.rest[name]
            return value
        return [] if value is None else self._refuse(name, "an array")

    def object(self, name: str) -> dict[str, Any] | None:
        value: dict[str, Any] | None = self._take(name, (dict,), "an object") if name in self.rest else None
        return value

    def child(self: F, name: str) -> F | None:
        """The fields of an object inside; what is left of it stays. None when it is absent, null or empty.

        Call `prune(name)` when it has been read.
        """
        value = self.rest.get(name)
        return type(self)(value, self.at(name)) if value else None

    def prune(self, name: str) -> None:
        if not self.rest[name]:
            del self.rest[name]

    def items(self: F, name: str) -> Iterator[F]:
        """The objects of an array inside, each as fields."""
        at = self.at(name)
        for index, value in enumerate(self.array(name)):
            yield type(self)(value, f"{at}[{index}]")

    def extensions(self, format: str) -> dict[str, dict[str, Any]]:
        """What is left, as a value's `extensions`."""
        return {format: self.rest} if self.rest else {}

    def _take(self, name: str, types: tuple[type, ...], expected: str) -> Any:
        value = self.rest.get(name)
        if value is None:
            return None
        if type(value) not in types:
            self._refuse(name, expected)
        del self.rest[name]
        return value

    def _refuse(self, name: str, expected: str) -> NoReturn:
        raise self.wrong(name, expected)


class RequestFields(Fields):
    """Raises InvalidRequest. A null is left in place, so that it is given back as it came."""

    __slots__ = ()

    def error(self, message: str, param: str) -> PlatformError:
        return InvalidRequest(message, code="invalid_type", param=param or None)


class AnswerFields(Fields):
    """Raises ProviderProtocolError. In an answer null and absent mean the same: a null is dropped."""

    __slots__ = ()

    def error(self, message: str, param: str) -> PlatformError:
        return ProviderProtocolError(f"The provider's answer makes no sense: {message}")

    def prune(self, name: str) -> None:
        left = {key: value for key, value in self.rest[name].items() if value is not None}
        if left:
            self.rest[name] = left
        else:
            del self.rest[name]

    def extensions(self, format: str) -> dict[str, dict[str, Any]]:
        left = self.left()
        return {format: left} if left else {}

    def left(self) -> dict[str, Any]:
        return {key: value for key, value in self.rest.items() if value is not None} if self.rest else {}


def merge(known: dict[str, Any], kept: dict[str, Any] | None) -> dict[str, Any]:
    """`known` with the fields of `kept` that it lacks, in objects inside as well. Changes and returns `known`."""
    if kept:
        for name, value in kept.items():
            mine = known.get(name)
            if name not in known:
                known[name] = value
            elif type(mine) is dict and type(value) is dict:
                known[name] = merge(dict(mine), value)
    return known
