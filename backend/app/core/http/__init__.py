"""Outbound HTTP. What other rooms use stands here; the two clients behind the port stay inside."""

from app.core.http.requests import (
    ErrorDecoder,
    error_by_status,
    get_json,
    open_good,
    post_json,
    read_error,
    read_json,
)
from app.core.http.transport import (
    InboundResponse,
    OutboundRequest,
    Transport,
    TransportSettings,
    create_transport,
)

__all__ = [
    "ErrorDecoder",
    "InboundResponse",
    "OutboundRequest",
    "Transport",
    "TransportSettings",
    "create_transport",
    "error_by_status",
    "get_json",
    "open_good",
    "post_json",
    "read_error",
    "read_json",
]
