"""The vendors that speak the OpenAI dialect, one row each. Pure facts; what departs from OpenAI has its source.

A vendor that needs more than a row is an integration of its own.
"""

from collections.abc import Mapping

import msgspec

from app.wire.openai_chat.sampling import DEFAULT_PROFILE, OPENAI_PROFILE, Profile


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One server or cloud.

    `base_url` is its root, to which `prefix` is added for the API; None where everybody's is another. A path that
    begins with "/" counts from the root, any other from the API.

    `api_key_env`: set for a cloud, which serves nobody without a key. `models_open`: it lists its models without
    a key too, so a list says nothing about the key. `health_path`: a cheap sign of life, or the list of models.
    `facts_path`: what a server with one model tells of it. `context_fields`: dotted names of the context length,
    first in the facts and then in the model's record; the first one that holds a number counts. `refused`: fields
    that it answers with an error, and which are therefore left out. `profile`: how a request is put that came in
    another format. `responses`: it keeps OpenAI's Responses API whole, so that requests are handed on to it; from
    one that has a part of it they are translated. `pooled`: an open connection that idles costs the server
    nothing.
    """

    kind: str
    title: str
    base_url: str | None = None
    prefix: str = "/v1"
    api_key_env: str | None = None
    models_path: str = "models"
    models_open: bool = False
    health_path: str = "models"
    facts_path: str | None = None
    context_fields: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    profile: Profile = DEFAULT_PROFILE
    pooled: bool = True
    completions: bool = True
    embeddings: bool = True
    responses: bool = False

    @property
    def shows_wrong_key(self) -> bool:
        """Whether a wrong key is noticed before the first request."""
        return not self.models_open or self.health_path != "models"

    def locate(self, path: str) -> str:
        """`path` as it counts from the root."""
        return path if path.startswith("/") else f"{self.prefix}/{path}"


# What servers in general call the context length; for a vendor that is not in the catalogue.
_ANY_CONTEXT = ("max_model_len", "context_window", "context_length", "max_context_length", "meta.n_ctx_train")

# Clouds that know OpenAI's parameters and no others; the developer role is OpenAI's alone.
_PLAIN = Profile(top_k=False, reasoning=False, developer=False)

GENERIC = Vendor(kind="openai_compatible", title="OpenAI-compatible server", context_fields=_ANY_CONTEXT)

_SELF_HOSTED = (
    # https://docs.vllm.ai/en/stable/usage/security/ (a key guards /v1 alone)
    Vendor(kind="vllm", title="vLLM", health_path="/health", context_fields=("max_model_len",)),
    # https://docs.sglang.ai
    Vendor(
        kind="sglang",
        title="SGLang",
        base_url="http://localhost:30000",
        health_path="/health",
        context_fields=("max_model_len",),
    ),
    # https://huggingface.co/docs/text-generation-inference/reference/api_reference
    Vendor(
        kind="tgi",
        title="Text Generation Inference",
        health_path="/health",
        facts_path="/info",
        context_fields=("max_total_tokens",),
        embeddings=False,
    ),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    # It gives one of --threads-http to each open connection, for 5 s after its last answer, while others wait.
    Vendor(
        kind="llamacpp",
        title="llama.cpp server",
        base_url="http://localhost:8080",
        health_path="/health",
        facts_path="/props",
        pooled=False,
        context_fields=("default_generation_settings.n_ctx", "meta.n_ctx", "meta.n_ctx_train"),
    ),
    # https://localai.io
    Vendor(kind="localai", title="LocalAI", base_url="http://localhost:8080"),
    # https://github.com/oobabooga/text-generation-webui/tree/main/docs
    Vendor(
        kind="text_generation_webui",
        title="text-generation-webui",
        base_url="http://localhost:5000",
        health_path="internal/health",
    ),
    # https://lmstudio.ai/docs/api/rest-api
    Vendor(
        kind="lm_studio",
        title="LM Studio",
        base_url="http://localhost:1234",
        models_path="/api/v0/models",
        context_fields=("loaded_context_length", "max_context_length"),
    ),
)

_CLOUDS = (
    # https://platform.openai.com/docs/api-reference/models/list
    Vendor(
        kind="openai",
        title="OpenAI",
        base_url="https://api.openai.com",
        api_key_env="OPENAI_API_KEY",
        profile=OPENAI_PROFILE,
        responses=True,
    ),
    # https://console.groq.com/docs/openai lists what is refused; there are no completions and no embeddings
    Vendor(
        kind="groq",
        title="Groq",
        base_url="https://api.groq.com/openai",
        api_key_env="GROQ_API_KEY",
        profile=_PLAIN,
        context_fields=("context_window",),
        refused=frozenset({"logprobs", "top_logprobs", "logit_bias", "messages[].name"}),
        completions=False,
        embeddings=False,
    ),
    # https://build.nvidia.com
    Vendor(
        kind="nvidia",
        title="NVIDIA API catalog",
        base_url="https://integrate.api.nvidia.com",
        api_key_env="NVIDIA_API_KEY",
        profile=_PLAIN,
        models_open=True,
    ),
    # https://openrouter.ai/docs/models and https://openrouter.ai/docs/api/api-reference/api-keys/get-current-api-key
    Vendor(
        kind="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api",
        api_key_env="OPENROUTER_API_KEY",
        models_open=True,
        health_path="key",
        context_fields=("context_length",),
    ),
    # https://docs.mistral.ai/api
    Vendor(
        kind="mistral",
        title="Mistral",
        base_url="https://api.mistral.ai",
        api_key_env="MISTRAL_API_KEY",
        profile=_PLAIN,
        context_fields=("max_context_length",),
        completions=False,
    ),
    # https://api-docs.deepseek.com: the API is at the root, text completions are a beta elsewhere
    Vendor(
        kind="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com",
        prefix="",
        api_key_env="DEEPSEEK_API_KEY",
        profile=_PLAIN,
        completions=False,
        embeddings=False,
    ),
    # https://docs.together.ai/docs/openai-api-compatibility
    Vendor(
        kind="together",
        title="Together AI",
        base_url="https://api.together.xyz",
        api_key_env="TOGETHER_API_KEY",
        context_fields=("context_length",),
    ),
)

CATALOGUE: Mapping[str, Vendor] = {row.kind: row for row in (GENERIC, *_SELF_HOSTED, *_CLOUDS)}
