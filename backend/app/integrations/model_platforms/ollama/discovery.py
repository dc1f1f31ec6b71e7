"""What Ollama tells of its models, as the platform's ModelInfo. Pure functions; library.py asks and remembers."""

import re
from collections.abc import Mapping

import msgspec

from app.domain.models import Capability, ModelInfo, Resident
from app.integrations.model_platforms.ollama.client import Details, Installed, Running, Shown
from app.integrations.model_platforms.ollama.names import DEFAULT_TAG
from app.integrations.model_platforms.ollama.response import unix_seconds
from app.integrations.model_platforms.ollama.settings import OllamaSettings

# Since this version chat and generate know `truncate` and `shift`; older ones cut a prompt and say nothing.
OLDEST_VERSION = (0, 12, 6)

# types/model/capability.go of https://github.com/ollama/ollama; Ollama can hold any text model to a JSON schema.
_CAPABILITIES: Mapping[str, tuple[Capability, ...]] = {
    "completion": ("chat", "completion", "json_schema"),
    "tools": ("tools",),
    "vision": ("vision",),
    "audio": ("audio",),
    "embedding": ("embedding",),
    "thinking": ("reasoning",),
}
# Ollama loads a model that sees with no less (getRunner in server/sched.go).
_LEAST_VISION_CONTEXT = 2048
# What is kept for good expires in some centuries: here is 2096.
_FOREVER = 4_000_000_000


class KnownModel(msgspec.Struct, frozen=True):
    """`num_ctx`: the context length to ask for, in tokens; None where the server decides (a model in a cloud)."""

    info: ModelInfo
    num_ctx: int | None


def describe(
    provider: str, installed: Installed, shown: Shown, settings: OllamaSettings, running: Running | None = None
) -> KnownModel:
    """`context_window` is what a request really gets, which may be less than the model was trained with.
    `running`: the model as it is in memory, if it is.
    """
    details = installed.details or Details()
    model_info = shown.model_info or {}
    capabilities = _capabilities(shown, model_info, details.family)
    trained = _trained_context(model_info)
    remote = bool(installed.remote_host) or settings.in_cloud
    num_ctx = None if remote else _num_ctx(trained, shown.parameters, settings, running)
    if num_ctx is not None and "vision" in capabilities:
        num_ctx = max(num_ctx, _LEAST_VISION_CONTEXT)
    info = ModelInfo(
        id=installed.name,
        provider=provider,
        capabilities=capabilities,
        context_window=num_ctx or trained,
        size_bytes=installed.size or None,
        format=details.format or None,
        quantization=details.quantization_level or None,
        family=details.family or None,
        loaded=None if remote else running is not None,
        created=unix_seconds(installed.modified_at),
        owned_by="ollama",
        aliases=_aliases(installed.name),
        details=_details(installed, details, trained),
    )
    return KnownModel(info, num_ctx)


def resident(running: Running, *, pinned: bool) -> Resident:
    """A model in memory. Ollama says of no model how long it has been there."""
    expires = unix_seconds(running.expires_at)
    return Resident(
        model=running.name,
        status="loaded",
        memory_bytes=running.size or None,
        location=_location(running),
        pinned=pinned,
        expires=expires if 0 < expires < _FOREVER else None,
    )


def _location(running: Running) -> str:
    if running.size_vram <= 0:
        return "cpu"
    return "gpu" if running.size_vram >= running.size else "cpu+gpu"


def truncates_silently(version: str) -> bool:
    """Whether a server of this version cuts prompts unasked. A version that is no release (0.0.0) is trusted."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        return False
    numbers = tuple(int(part) for part in found.groups())
    return (0, 0, 0) < numbers < OLDEST_VERSION


def _capabilities(shown: Shown, model_info: Mapping[str, object], family: str) -> frozenset[Capability]:
    told = shown.capabilities
    if told is None:
        # A server without this field, or a model that it can't show: pooling, or being a BERT, means embedding.
        embeds = "bert" in family or any(key.endswith(".pooling_type") for key in model_info)
        told = ["embedding" if embeds else "completion"]
    return frozenset(capability for name in told for capability in _CAPABILITIES.get(name, ()))


def _trained_context(model_info: Mapping[str, object]) -> int | None:
    """`<architecture>.context_length`: a model with a projector may have several architectures' keys."""
    value = model_info.get(f"{model_info.get('general.architecture')}.context_length")
    return value if isinstance(value, int) and value > 0 else None


def _num_ctx(trained: int | None, parameters: str, settings: OllamaSettings, running: Running | None) -> int:
    """The operator's word, else the Modelfile's, else the training's within bounds; never beyond the training.

    A model that is in memory with more than those bounds keeps it, where nobody's word is against it: its memory
    is spent already, and asking for less would have it loaded anew.
    """
    wanted = settings.num_ctx or _modelfile_num_ctx(parameters)
    if wanted is None:
        bounded = min(trained or settings.max_num_ctx, settings.max_num_ctx)
        wanted = max(bounded, running.context_length if running else 0)
    return min(wanted, trained) if trained else wanted


def _modelfile_num_ctx(parameters: str) -> int | None:
    found = re.search(r"^num_ctx\s+(\d+)\s*$", parameters, re.MULTILINE)
    return int(found[1]) if found and int(found[1]) > 0 else None


def _details(installed: Installed, details: Details, trained: int | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "digest": installed.digest,
        "parameter_size": details.parameter_size,
        "trained_context": trained,
        "remote_host": installed.remote_host,
    }
    return {name: value for name, value in facts.items() if value}


def _aliases(name: str) -> tuple[str, ...]:
    """Ollama takes a name without a tag for the default one."""
    bare = name.removesuffix(f":{DEFAULT_TAG}")
    return () if bare == name else (bare,)
