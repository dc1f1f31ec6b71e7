"""The event that nearly all of a stream consists of: a piece of text.

Read at a fraction of the cost. Whatever differs in one field fails here, and goes the long way in stream.py.
"""

from typing import Literal

import msgspec


class _Delta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: Literal["text_delta"]
    text: str


class TextEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: Literal["content_block_delta"]
    delta: _Delta
    index: int = 0


TextEvents = msgspec.json.Decoder(TextEvent)
