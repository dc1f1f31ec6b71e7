"""What went wrong at the Hub, told apart by its library's own classes (hub_child.py), in the platform's errors."""

from collections.abc import Mapping

import msgspec

from app.domain.errors import (
    Conflict,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    PlatformError,
    ProviderProtocolError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)


class Told(msgspec.Struct, frozen=True):
    error: type[PlatformError]
    message: str
    code: str | None = None


_UNKNOWN = Told(InternalError, "Fetching from the Hub failed unexpectedly; the platform's log tells more.")

FAILURES: Mapping[str, Told] = {
    "gated": Told(PermissionDenied, "'{repository}' is gated: accept its terms at {address}{then}", "gated"),
    "disabled": Told(PermissionDenied, "The Hub has disabled '{repository}'.", "disabled"),
    "missing": Told(
        ModelNotFound, "'{repository}' is not on the Hub, or not to be seen.{private}", "model_not_found"
    ),
    "no_revision": Told(ModelNotFound, "'{repository}' has no such revision.", "revision_not_found"),
    "no_file": Told(
        ModelNotFound, "'{repository}' has lost a file since the pull began: pull again.", "file_not_found"
    ),
    "unauthorized": Told(UpstreamAuthFailed, "The Hub does not know the token of '{name}'."),
    "forbidden": Told(UpstreamAuthFailed, "The token of '{name}' may not read '{repository}'."),
    "limited": Told(UpstreamRateLimited, "The Hub has had too many requests from here for now."),
    "offline": Told(Conflict, "The Hub is not asked, as '{name}' is set offline (HF_HUB_OFFLINE)."),
    "unreachable": Told(
        UpstreamUnavailable,
        "The Hub can't be reached, or broke off. What a pull has fetched is kept for the next.",
    ),
    "digest": Told(
        ProviderProtocolError,
        "What came of '{repository}' is not what the Hub says it is (its digest differs), and was deleted.",
        "digest_mismatch",
    ),
    "disk_full": Told(
        Overloaded, "The file system of the models' folder is full. Make room and pull again.", "disk_full"
    ),
    "disk": Told(Overloaded, "The models' folder can't be written: see to its rights, and pull again."),
    "refused": Told(InvalidRequest, "The Hub refuses the question."),
}
"""By the word that hub_child.py has for it."""


def failure(kind: str, name: str, repository: str, endpoint: str, *, has_token: bool) -> PlatformError:
    """`name`: the integration's."""
    told = FAILURES.get(kind, _UNKNOWN)
    message = told.message.format(
        name=name,
        repository=repository,
        address=f"{endpoint}/{repository}",
        private="" if has_token else " If it is private, set HUGGINGFACE_TOKEN.",
        then=" with the account of the token, and wait until access is granted."
        if has_token
        else ", and set HUGGINGFACE_TOKEN to a token of that account.",
    )
    provider = name if issubclass(told.error, UpstreamError) else None
    return told.error(message, code=told.code, provider=provider)
