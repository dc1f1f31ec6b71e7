"""Every error that may leave a layer, and nothing else: no HTTP status, no vendor code.

    PlatformError
    ├── InvalidRequest            the caller must change the request
    │   ├── ContextLengthExceeded     the prompt does not fit the model
    │   ├── ContentRefused            the provider's content policy forbids the request
    │   ├── UnsupportedFeature        the model or provider cannot do what was asked
    │   ├── PayloadTooLarge           the body is over the limit
    │   └── IdempotencyKeyReused      its Idempotency-Key stands for another request
    ├── Unauthenticated           no credential, or one that is not known
    ├── PermissionDenied          known, but not allowed
    ├── NotFound
    │   └── ModelNotFound
    ├── Conflict                  the state of a thing forbids it now
    ├── RateLimited               try again after `retry_after`
    │   └── BudgetExceeded            waiting does not help
    ├── Overloaded                the platform itself has no room
    ├── Unavailable               a part of the platform itself, such as its database, does not answer now
    ├── DeadlineExceeded          a time limit of ours ran out
    ├── Cancelled                 the caller left
    ├── UpstreamError             a provider failed; `provider` names it
    │   ├── UpstreamUnavailable       it can't answer now
    │   │   └── ConnectionFailed          no connection, or it broke
    │   │       └── ConnectionRefused         nobody listens there
    │   ├── UpstreamTimeout           the provider took too long
    │   ├── UpstreamRateLimited       the provider refuses for now
    │   ├── UpstreamAuthFailed        the provider refuses our credential
    │   └── ProviderProtocolError     the provider's answer makes no sense
    └── InternalError             a defect of ours

A front-end turns `kind` into its own status by table; `message` is written for the caller and never
holds a key, a traceback or an upstream's raw text.
"""

from collections.abc import Sequence
from enum import StrEnum

from app.domain.limits import Standing


class ErrorKind(StrEnum):
    """gRPC's canonical codes: https://grpc.github.io/grpc/core/md_doc_statuscodes.html"""

    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    INVALID_ARGUMENT = "invalid_argument"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    PERMISSION_DENIED = "permission_denied"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    FAILED_PRECONDITION = "failed_precondition"
    ABORTED = "aborted"
    OUT_OF_RANGE = "out_of_range"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    DATA_LOSS = "data_loss"
    UNAUTHENTICATED = "unauthenticated"


class PlatformError(Exception):
    """The root. `retryable` says whether the same request may succeed on another try or target. `replayed`: it is
    told again, to a request with the Idempotency-Key of the one that it was first told to.
    """

    kind: ErrorKind = ErrorKind.UNKNOWN
    retryable: bool = False
    replayed: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        provider: str | None = None,
        rotated: bool = False,
    ) -> None:
        """`code`: a stable machine word. `param`: the field at fault. `retry_after`: seconds. `rotated`: the
        provider refused one of the platform's keys and has another to try, so the same target may be asked again
        at once.
        """
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.provider = provider
        self.rotated = rotated


class InvalidRequest(PlatformError):
    kind = ErrorKind.INVALID_ARGUMENT


class ContextLengthExceeded(InvalidRequest):
    kind = ErrorKind.OUT_OF_RANGE


class ContentRefused(InvalidRequest):
    pass


class UnsupportedFeature(InvalidRequest):
    kind = ErrorKind.UNIMPLEMENTED


class PayloadTooLarge(InvalidRequest):
    pass


class IdempotencyKeyReused(InvalidRequest):
    pass


class Unauthenticated(PlatformError):
    kind = ErrorKind.UNAUTHENTICATED


class PermissionDenied(PlatformError):
    kind = ErrorKind.PERMISSION_DENIED


class NotFound(PlatformError):
    kind = ErrorKind.NOT_FOUND


class ModelNotFound(NotFound):
    pass


class Conflict(PlatformError):
    kind = ErrorKind.ABORTED


class RateLimited(PlatformError):
    """`standings`: how the caller stands with the limits of its tier."""

    kind = ErrorKind.RESOURCE_EXHAUSTED
    standings: Sequence[Standing] = ()


class BudgetExceeded(RateLimited):
    pass


class Overloaded(PlatformError):
    kind = ErrorKind.UNAVAILABLE
    retryable = True


class Unavailable(PlatformError):
    kind = ErrorKind.UNAVAILABLE


class DeadlineExceeded(PlatformError):
    kind = ErrorKind.DEADLINE_EXCEEDED


class Cancelled(PlatformError):
    kind = ErrorKind.CANCELLED


class UpstreamError(PlatformError):
    kind = ErrorKind.UNAVAILABLE
    retryable = True


class UpstreamUnavailable(UpstreamError):
    pass


class ConnectionFailed(UpstreamUnavailable):
    pass


class ConnectionRefused(ConnectionFailed):
    """Told at once, and no work for anybody. `sent`: an older connection had taken the request before it broke."""

    sent: bool = False


class UpstreamTimeout(UpstreamError):
    kind = ErrorKind.DEADLINE_EXCEEDED


class UpstreamRateLimited(UpstreamError):
    kind = ErrorKind.RESOURCE_EXHAUSTED


class UpstreamAuthFailed(UpstreamError):
    """The provider refuses the platform's own credential: another target may do, the caller can't mend it."""

    kind = ErrorKind.FAILED_PRECONDITION


class ProviderProtocolError(UpstreamError):
    kind = ErrorKind.DATA_LOSS


class InternalError(PlatformError):
    kind = ErrorKind.INTERNAL
