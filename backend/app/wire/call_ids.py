"""Ids of tool calls that carry a signature for the provider that made the call.

Callers give nothing of a tool call back but its id, and Gemini refuses a call in a conversation's history without
the signature of the thinking that led to it. So the signature travels in the id, behind a mark:

    <id>__thought_<crc32 of the signature, in hex>_<signature, in url-safe base64 without padding>

Only letters, digits, - and _ are used, which is what every dialect takes for an id. Some clients shorten or change
ids all the same: the checksum finds that out, and such a call counts as one without a signature. The signatures
that LiteLLM puts into ids, <id>__thought__<base64>, are read too, so that a history which began there goes on.

Other providers are not shown ours, see `bare` and `without_signatures`: OpenAI takes ids of 64 characters at most,
and a chat template may put an id into the prompt. In a body LiteLLM's are let be, since an upstream that is one
wants its own back.
"""

import base64
import binascii
import re
from zlib import crc32

_MARK = "__thought_"
_MARKED = _MARK.encode()
_TO_ID = str.maketrans("+/", "-_", "=")
_FROM_ID = str.maketrans("-_", "+/")

# Within a text the quotes of a key would be escaped: this matches a JSON body's ids and nothing that it quotes.
_SIGNED_ID = re.compile(
    rb'("(?:id|call_id|tool_call_id|tool_use_id)"\s*:\s*"[\w.:-]+?)__thought_[0-9a-f]{8}_[\w-]*'
)


def sign(id: str, signature: str) -> str:
    """`signature` is base64."""
    compact = signature.translate(_TO_ID)
    return f"{id}{_MARK}{crc32(compact.encode()):08x}_{compact}"


def bare(id: str) -> str:
    return id.partition(_MARK)[0]


def split(id: str) -> tuple[str, str | None]:
    """The id alone, and the signature as the provider wrote it; None where there is none, or not all of it."""
    alone, _, carried = id.partition(_MARK)
    checksum, _, signature = carried.partition("_")
    if not signature:
        return alone, None
    if not checksum:
        return alone, signature if _is_base64(signature) else None
    if checksum != f"{crc32(signature.encode()):08x}":
        return alone, None
    return alone, signature.translate(_FROM_ID) + "=" * (-len(signature) % 4)


def without_signatures(body: bytes) -> bytes:
    """`body`, JSON of any dialect, its ids without what they carry for Gemini."""
    # Every request pays for this search, and from the end it takes a quarter of the time: 0.1 ms for 1 MB.
    return _SIGNED_ID.sub(rb"\1", body) if body.rfind(_MARKED) >= 0 else body


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
