"""The chunk that nearly all of a stream consists of: one choice, one piece of text, nothing else.

Read at a fraction of the cost. Whatever differs in one field fails here, and goes the long way in stream.py.
"""

from typing import Generic, TypeVar

import msgspec

C = TypeVar("C")


class _Delta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str


class ChatPiece(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    delta: _Delta
    index: int = 0
    logprobs: None = None
    finish_reason: None = None

    @property
    def piece(self) -> str:
        return self.delta.content


class TextPiece(msgspec.Struct, forbid_unknown_fields=True, gc=False, rename={"piece": "text"}):
    piece: str
    index: int = 0
    logprobs: None = None
    finish_reason: None = None


class PlainChunk(msgspec.Struct, Generic[C], forbid_unknown_fields=True, gc=False):
    """`obfuscation` only evens out the sizes of chunks."""

    choices: tuple[C]
    id: str | None = None
    object: str | None = None
    created: float | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    obfuscation: str | None = None
    usage: None = None


ChatChunks = msgspec.json.Decoder(PlainChunk[ChatPiece])
TextChunks = msgspec.json.Decoder(PlainChunk[TextPiece])
PlainDecoder = msgspec.json.Decoder[PlainChunk[ChatPiece]] | msgspec.json.Decoder[PlainChunk[TextPiece]]
