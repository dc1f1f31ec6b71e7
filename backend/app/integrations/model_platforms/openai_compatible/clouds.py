"""Clouds, which serve nobody without a key. Pure facts; what departs from OpenAI has its source."""

from app.integrations.kit.listing import PriceFields
from app.integrations.model_platforms.openai_compatible.vendor import Vendor
from app.wire.openai_chat.sampling import OPENAI_PROFILE, PLAIN_PROFILE

CLOUDS = (
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
        profile=PLAIN_PROFILE,
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
        profile=PLAIN_PROFILE,
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
        prices=PriceFields(
            input="pricing.prompt",
            output="pricing.completion",
            cached_input="pricing.input_cache_read",
            cache_write="pricing.input_cache_write",
            per_token=True,
            free=True,
        ),
    ),
    # https://docs.mistral.ai/api
    Vendor(
        kind="mistral",
        title="Mistral",
        base_url="https://api.mistral.ai",
        api_key_env="MISTRAL_API_KEY",
        profile=PLAIN_PROFILE,
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
        profile=PLAIN_PROFILE,
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
        prices=PriceFields(input="pricing.input", output="pricing.output", cached_input="pricing.cached_input"),
    ),
)
