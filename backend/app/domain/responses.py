"""An answer that is kept, so that a later request can go on from it."""

import msgspec


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`principal` owns it. `previous_id`: the response that it continues. `created`: Unix seconds. `items`: what
    was given to the model beyond that, and `body`: the answer, both as JSON in the Responses format.
    """

    id: str
    principal: str
    created: float
    items: bytes
    body: bytes
    previous_id: str | None = None
