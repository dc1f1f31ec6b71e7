"""Clouds, which serve nobody without a key. Pure facts; what departs from OpenAI has its source.

Fields that a part of a cloud's models refuses are not in `refused`: which part changes from month to month, and
the cloud's answer tells the caller.
"""

from app.integrations.kit.listing import PriceFields
from app.integrations.model_platforms.openai_compatible.vendor import Vendor
from app.wire.openai_chat.sampling import OPENAI_PROFILE, PLAIN_PROFILE, Profile

_THINKING_BACK = Profile(top_k=False)  # takes reasoning_content again, and needs it where a tool was called
_PLAIN_NEW_LIMIT = Profile(limit_field="max_completion_tokens", top_k=False, reasoning=False)

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
    # https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle: the v1 API takes a key as a bearer
    # token. Its list has the models that could be deployed; a request names a deployment.
    Vendor(
        kind="azure_openai",
        title="Azure OpenAI",
        base_url_env="AZURE_OPENAI_ENDPOINT",
        prefix="/openai/v1",
        api_key_env="AZURE_OPENAI_API_KEY",
        profile=OPENAI_PROFILE,
        offers_listed=False,
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
    # Where a context is short it would cut a prompt that is longer, and say nothing:
    # https://openrouter.ai/docs/guides/features/message-transforms
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
        defaults={"plugins": [{"id": "context-compression", "enabled": False}]},
    ),
    # https://docs.mistral.ai/api and the schemas of https://github.com/mistralai/client-python: it answers 422 for
    # any field besides those. The usage is always in its last chunk.
    Vendor(
        kind="mistral",
        title="Mistral",
        base_url="https://api.mistral.ai",
        api_key_env="MISTRAL_API_KEY",
        profile=Profile(reasoning=False),
        context_fields=("max_context_length",),
        refused=frozenset(
            {
                *("max_completion_tokens>max_tokens", "seed>random_seed", "dimensions>output_dimension"),
                *("audio", "function_call", "functions", "logit_bias", "modalities", "safety_identifier", "store"),
                *("stream_options", "user", "verbosity", "web_search_options"),
                *("messages[].annotations", "messages[].audio", "messages[].function_call", "messages[].name"),
                *("messages[].reasoning_content", "messages[].refusal"),
            }
        ),
        completions=False,
    ),
    # https://api-docs.deepseek.com: the API is at the root, text completions are a beta elsewhere
    Vendor(
        kind="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com",
        prefix="",
        api_key_env="DEEPSEEK_API_KEY",
        profile=_THINKING_BACK,
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
    # https://docs.x.ai/docs/api-reference
    Vendor(
        kind="xai",
        title="xAI",
        base_url="https://api.x.ai",
        api_key_env="XAI_API_KEY",
        profile=_PLAIN_NEW_LIMIT,
        context_fields=("context_length",),
        completions=False,
        embeddings=False,
        responses=True,
    ),
    # https://docs.fireworks.ai/tools-sdks/openai-compatibility
    Vendor(
        kind="fireworks",
        title="Fireworks AI",
        base_url="https://api.fireworks.ai/inference",
        api_key_env="FIREWORKS_API_KEY",
        context_fields=("context_length",),
    ),
    # https://inference-docs.cerebras.ai/resources/openai: the three answer 400; the public list tells of contexts
    Vendor(
        kind="cerebras",
        title="Cerebras",
        base_url="https://api.cerebras.ai",
        api_key_env="CEREBRAS_API_KEY",
        models_path="/public/v1/models",
        models_open=True,
        profile=_PLAIN_NEW_LIMIT,
        context_fields=("limits.max_context_length",),
        refused=frozenset({"frequency_penalty", "presence_penalty", "logit_bias"}),
        embeddings=False,
    ),
    # https://docs.perplexity.ai/docs/agent-api/openai-compatibility: chat completions ended in September 2026. Its
    # embeddings are of 8-bit numbers.
    Vendor(
        kind="perplexity",
        title="Perplexity",
        base_url="https://api.perplexity.ai",
        api_key_env="PERPLEXITY_API_KEY",
        chat=False,
        completions=False,
        embeddings=False,
        responses=True,
    ),
    # https://docs.cohere.com/docs/compatibility-api lists what is refused; there is no list of models
    Vendor(
        kind="cohere",
        title="Cohere",
        base_url="https://api.cohere.ai/compatibility",
        api_key_env="COHERE_API_KEY",
        profile=PLAIN_PROFILE,
        refused=frozenset(
            {
                *("audio", "logit_bias", "metadata", "modalities", "n", "parallel_tool_calls", "prediction"),
                *("service_tier", "store", "top_logprobs"),
            }
        ),
        completions=False,
    ),
    # https://platform.moonshot.ai/docs/api/chat
    Vendor(
        kind="moonshot",
        title="Moonshot AI",
        base_url="https://api.moonshot.ai",
        api_key_env="MOONSHOT_API_KEY",
        profile=_THINKING_BACK,
        context_fields=("context_length",),
        completions=False,
        embeddings=False,
    ),
    # https://docs.z.ai/api-reference/introduction
    Vendor(
        kind="zai",
        title="Z.ai",
        base_url="https://api.z.ai/api/paas",
        prefix="/v4",
        api_key_env="ZAI_API_KEY",
        profile=_THINKING_BACK,
        completions=False,
        embeddings=False,
    ),
    # https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope: Singapore's address
    Vendor(
        kind="dashscope",
        title="Alibaba Model Studio (Qwen)",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode",
        api_key_env="DASHSCOPE_API_KEY",
        profile=Profile(reasoning=False),
        completions=False,
    ),
    # https://docs.sambanova.ai/docs/en/features/openai-compatibility
    Vendor(
        kind="sambanova",
        title="SambaNova",
        base_url="https://api.sambanova.ai",
        api_key_env="SAMBANOVA_API_KEY",
        profile=Profile(reasoning=False),
        context_fields=("context_length",),
        prices=PriceFields(input="pricing.prompt", output="pricing.completion", per_token=True),
    ),
)
