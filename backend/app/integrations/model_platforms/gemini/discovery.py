"""What Gemini tells of its models, as the platform's ModelInfo.

The list says of each how it can be asked, what it takes and whether it thinks; what else it can do, its name must
tell. https://ai.google.dev/api/models
"""

import re
from urllib.parse import quote

import msgspec

from app.core.http import Transport, get_json
from app.domain.errors import NotFound, ProviderProtocolError
from app.domain.models import Capability, ModelInfo
from app.integrations.kit.probe import Models
from app.integrations.model_platforms.gemini import frames, names

_PAGE = 1000
_MOST_PAGES = 50

# They answer in pictures or sound, which the platform can't hand on.
_NOT_IN_TEXT = re.compile(r"image|tts|nano-banana|lyria")
_EMBEDS = re.compile(r"embedding")
_OF_GEMINI: frozenset[Capability] = frozenset({"chat", "tools", "vision", "audio", "json_schema"})
_OF_OTHERS: frozenset[Capability] = frozenset({"chat"})


async def discover(transport: Transport, prefix: str, patience: float) -> Models:
    """Those that can be asked through the platform. `patience`: seconds for each page. Raises UpstreamError."""
    listed: list[frames.Model] = []
    token = ""
    for _ in range(_MOST_PAGES):
        path = f"{prefix}/models?pageSize={_PAGE}" + (f"&pageToken={quote(token, safe='')}" if token else "")
        page = await _page(transport, path, patience)
        listed += page.models
        token = page.next_page_token
        if not token:
            break
    described = (describe(each, transport.name) for each in listed)
    return tuple(model for model in described if model.capabilities)


def describe(listed: frames.Model, provider: str) -> ModelInfo:
    id = names.bare(listed.name)
    return ModelInfo(
        id=id,
        provider=provider,
        capabilities=_capabilities(id, listed),
        context_window=listed.input_token_limit or None,
        max_output_tokens=listed.output_token_limit or None,
        owned_by="google",
        description=listed.description or listed.display_name or None,
        aliases=() if id == listed.name else (listed.name,),
    )


def named(model: str, provider: str) -> ModelInfo:
    """A model of which nothing but the name is known."""
    id = names.bare(model)
    capabilities: frozenset[Capability] = frozenset({"embedding"})
    if not _EMBEDS.search(id):
        capabilities = _OF_GEMINI if id.startswith("gemini-") else _OF_OTHERS
        if names.is_at_least(id, (2, 5)):
            capabilities |= {"reasoning"}
    return ModelInfo(id=id, provider=provider, capabilities=capabilities, owned_by="google")


async def _page(transport: Transport, path: str, patience: float) -> frames.Models:
    try:
        return msgspec.convert(await get_json(transport, path, first_byte_timeout=patience), frames.Models)
    except (msgspec.ValidationError, NotFound):
        name = transport.name
        raise ProviderProtocolError(f"'{name}' does not list models as Gemini does.", provider=name) from None


def _capabilities(id: str, listed: frames.Model) -> frozenset[Capability]:
    methods = listed.supported_generation_methods
    can: set[Capability] = set()
    if "generateContent" in methods and not _NOT_IN_TEXT.search(id):
        can |= _OF_GEMINI if id.startswith("gemini-") else _OF_OTHERS
        if listed.thinking:
            can.add("reasoning")
    if "embedContent" in methods:
        can.add("embedding")
    return frozenset(can)
