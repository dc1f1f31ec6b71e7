"""What the platform needs to know of a Responses request before it lets the bytes through."""

from typing import Annotated, Any

import msgspec

from app.domain.errors import InvalidRequest
from app.domain.exchange import Places
from app.wire.head import Head, Peek

Given = msgspec.Raw | msgspec.UnsetType


class Item(msgspec.Struct, gc=False):
    type: str | None = None
    role: str | None = None


class _Fields(Head, gc=False, kw_only=True, rename={"streams": "stream", "stores": "store"}):
    """Routing, limits, accounting and the platform's own state look at these; only their types are checked.

    Those of type Given are repeated in the answer as they came.
    """

    streams: bool | None = None
    stores: bool | None = None
    background: bool | None = None
    previous_response_id: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    max_output_tokens: int | None = None
    instructions: Given = msgspec.UNSET
    metadata: dict[str, str] | None = None
    max_tool_calls: Given = msgspec.UNSET
    parallel_tool_calls: bool | None = None
    prompt_cache_key: Given = msgspec.UNSET
    reasoning: dict[str, Any] | None = None
    safety_identifier: Given = msgspec.UNSET
    service_tier: Given = msgspec.UNSET
    temperature: float | None = None
    text: dict[str, Any] | None = None
    tool_choice: Given = msgspec.UNSET
    tools: list[dict[str, Any]] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    truncation: str | None = None
    user: str | None = None

    @property
    def stream(self) -> bool:
        return self.streams is True

    @property
    def store(self) -> bool:
        """Kept unless the caller says otherwise."""
        return self.stores is not False


class ResponsesHead(_Fields, gc=False, kw_only=True):
    """`input` is a text or the items."""

    input: str | list[Item] | None = None


class _Peek(Peek[ResponsesHead]):
    def look(self, body: bytes) -> tuple[ResponsesHead, Places | None]:
        head, places = super().look(body)
        if not head.input and head.previous_response_id is None:
            raise InvalidRequest(
                "'input' has to be a text or an array of items.", code="missing_field", param="input"
            )
        return head, places


peek = _Peek(
    ResponsesHead,
    b'"model"',
    b'"stream"',
    b'"store"',
    b'"background"',
    b'"input"',
    b'"previous_response_id"',
    b'"max_output_tokens"',
)
