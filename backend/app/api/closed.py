"""A step of deciding who may do what fails closed: what goes wrong in it is an answer that nobody gets in by."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from app.domain.errors import PlatformError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


def fails_closed(step: Callable[P, T]) -> Callable[P, T]:
    """`step`, whose defects are Unavailable; its own refusals are as they are."""

    @wraps(step)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return step(*args, **kwargs)
        except PlatformError:
            raise
        except Exception:
            raise defect() from None

    return guarded


def defect() -> Unavailable:
    """To be raised in place of the exception that is being handled, which the log gets."""
    logger.exception("defect while it was decided who may do what")
    return Unavailable("Whether this is allowed can't be told now; the log tells why.", retry_after=1.0)
