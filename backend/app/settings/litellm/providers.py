"""LiteLLM's providers, by the prefix of a model's name, and the kind of integration that each becomes.

Sources: https://docs.litellm.ai/docs/providers, and each vendor's own page for its address.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class Provider(NamedTuple):
    """`name`: what its integrations are called, where that is not `kind`.

    `keys` and `bases`: the variables in which LiteLLM looks for a key and for an address that an entry does not
    give; the first that is set counts. `base_url`: the address that LiteLLM knows and our kind does not.
    `keyless`: it serves without a key. `elsewhere`: the kind of what is at another address than the kind's own.
    `api_path`: what is added to an address. `settings`: further settings of the integration. `rewrite`: a pattern,
    and what a model's name becomes that fits it.
    """

    kind: str
    name: str = ""
    keys: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    base_url: str | None = None
    keyless: bool = False
    elsewhere: str | None = None
    api_path: str = ""
    settings: Mapping[str, Any] = {}
    rewrite: tuple[str, str] | None = None


def _vendor(
    base_url: str, *keys: str, api_prefix: str | None = None, rewrite: tuple[str, str] | None = None
) -> Provider:
    """One that speaks OpenAI's dialect at an address of its own. `api_prefix`: as in OpenAICompatibleSettings."""
    return Provider(
        "openai_compatible",
        keys=keys,
        bases=(re.sub(r"_(API|SECRET)_KEY$", "_API_BASE", keys[0]),),
        base_url=base_url,
        settings={} if api_prefix is None else {"api_prefix": api_prefix},
        rewrite=rewrite,
    )


_OPENAI = Provider(
    "openai",
    keys=("OPENAI_API_KEY",),
    bases=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    elsewhere="openai_compatible",
    rewrite=(r"responses/(.+)", r"\1"),
)
_ANY_SERVER = Provider("openai_compatible", name="openai", keyless=True)
_VLLM = Provider("vllm", keys=("HOSTED_VLLM_API_KEY",), bases=("HOSTED_VLLM_API_BASE",), keyless=True)
_OLLAMA = Provider("ollama", keys=("OLLAMA_API_KEY",), bases=("OLLAMA_API_BASE",), keyless=True)

# https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle: the v1 API has no versions, takes the key
# as OpenAI does, and the name of a deployment as the model. Its list of models has what could be deployed, and not
# what is.
_AZURE = Provider(
    "openai_compatible",
    name="azure",
    keys=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
    bases=("AZURE_API_BASE",),
    api_path="/openai/v1",
    settings={"discover": False},
    rewrite=(r"(?:o_series|gpt5_series|responses)/(.+)", r"\1"),
)

PROVIDERS: Mapping[str, Provider] = {
    "openai": _OPENAI,
    "text-completion-openai": _OPENAI,
    "custom_openai": _ANY_SERVER,
    "openai_like": _ANY_SERVER,
    "aiohttp_openai": _ANY_SERVER,
    "litellm_proxy": Provider(
        "openai_compatible",
        name="litellm_proxy",
        keys=("LITELLM_PROXY_API_KEY",),
        bases=("LITELLM_PROXY_API_BASE",),
        keyless=True,
    ),
    "azure": _AZURE,
    "azure_ai": _AZURE._replace(name="azure_ai", keys=("AZURE_AI_API_KEY",), bases=("AZURE_AI_API_BASE",)),
    "anthropic": Provider(
        "anthropic", keys=("ANTHROPIC_API_KEY",), bases=("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL")
    ),
    "gemini": Provider("gemini", keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"), bases=("GEMINI_API_BASE",)),
    "huggingface": Provider(
        "huggingface_hub",
        name="huggingface",
        keys=("HUGGINGFACE_API_KEY", "HF_TOKEN"),
        bases=("HUGGINGFACE_API_BASE", "HF_API_BASE"),
        elsewhere="openai_compatible",
        rewrite=(r"([^/]+)/([^/]+/.+)", r"\2:\1"),
    ),
    # Servers of one's own.
    "hosted_vllm": _VLLM,
    "vllm": _VLLM,
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "lm_studio": Provider("lm_studio", keys=("LM_STUDIO_API_KEY",), bases=("LM_STUDIO_API_BASE",), keyless=True),
    "llamafile": Provider("llamacpp", keys=("LLAMAFILE_API_KEY",), bases=("LLAMAFILE_API_BASE",), keyless=True),
    "oobabooga": Provider("text_generation_webui", keyless=True),
    "xinference": Provider(
        "openai_compatible",
        name="xinference",
        keys=("XINFERENCE_API_KEY",),
        bases=("XINFERENCE_API_BASE",),
        keyless=True,
    ),
    # Clouds of the catalogue.
    "groq": Provider("groq", keys=("GROQ_API_KEY",), bases=("GROQ_API_BASE",)),
    "nvidia_nim": Provider(
        "nvidia", name="nvidia_nim", keys=("NVIDIA_NIM_API_KEY",), bases=("NVIDIA_NIM_API_BASE",)
    ),
    "openrouter": Provider(
        "openrouter",
        keys=("OPENROUTER_API_KEY", "OR_API_KEY"),
        bases=("OPENROUTER_API_BASE",),
        rewrite=(r"([^/*]+)", r"openrouter/\1"),
    ),
    "mistral": Provider("mistral", keys=("MISTRAL_API_KEY",), bases=("MISTRAL_API_BASE",)),
    "deepseek": Provider("deepseek", keys=("DEEPSEEK_API_KEY",), bases=("DEEPSEEK_API_BASE",)),
    "together_ai": Provider(
        "together",
        name="together_ai",
        keys=("TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_TOKEN"),
        bases=("TOGETHER_AI_API_BASE",),
    ),
    # Clouds that speak OpenAI's dialect and are in no catalogue of ours.
    "ai21": _vendor("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    "ai21_chat": _vendor("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    "aiml": _vendor("https://api.aimlapi.com/v1", "AIML_API_KEY"),
    "baseten": _vendor("https://inference.baseten.co/v1", "BASETEN_API_KEY"),
    "cerebras": _vendor("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "codestral": _vendor("https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    "dashscope": _vendor("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "deepinfra": _vendor("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", api_prefix=""),
    "featherless_ai": _vendor("https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"),
    "fireworks_ai": _vendor(
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        "FIREWORKS_AI_API_KEY",
        "FIREWORKSAI_API_KEY",
        "FIREWORKS_AI_TOKEN",
        rewrite=(r"([^/*]+)", r"accounts/fireworks/models/\1"),
    ),
    "friendliai": _vendor("https://api.friendli.ai/serverless/v1", "FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"),
    "github": _vendor("https://models.inference.ai.azure.com", "GITHUB_API_KEY", api_prefix=""),
    "hyperbolic": _vendor("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    "inception": _vendor("https://api.inceptionlabs.ai/v1", "INCEPTION_API_KEY"),
    "lambda_ai": _vendor("https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    "meta_llama": _vendor("https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    "moonshot": _vendor("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "morph": _vendor("https://api.morphllm.com/v1", "MORPH_API_KEY"),
    "nebius": _vendor("https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    "novita": _vendor("https://api.novita.ai/v3/openai", "NOVITA_API_KEY", api_prefix=""),
    "nscale": _vendor("https://inference.api.nscale.com/v1", "NSCALE_API_KEY"),
    "perplexity": _vendor(
        "https://api.perplexity.ai", "PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY", api_prefix=""
    ),
    "sambanova": _vendor("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "scaleway": _vendor("https://api.scaleway.ai/v1", "SCW_SECRET_KEY"),
    "v0": _vendor("https://api.v0.dev/v1", "V0_API_KEY"),
    "vercel_ai_gateway": _vendor(
        "https://ai-gateway.vercel.sh/v1", "VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"
    ),
    "volcengine": _vendor("https://ark.cn-beijing.volces.com/api/v3", "VOLCENGINE_API_KEY"),
    "wandb": _vendor("https://api.inference.wandb.ai/v1", "WANDB_API_KEY"),
    "xai": _vendor("https://api.x.ai/v1", "XAI_API_KEY"),
    "zai": _vendor("https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
}

# Where a name has no prefix, its beginning tells the provider; the first that fits counts. LiteLLM looks the name
# up in a list of thousands.
BARE_NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gemini|text-bison|chat-bison"), "vertex_ai"),
    (re.compile(r"command|embed-(english|multilingual)"), "cohere_chat"),
    (re.compile(r"([a-z]{2,6}\.)?(anthropic|amazon|meta|mistral|cohere|ai21)\."), "bedrock"),
    (re.compile(r""), "openai"),
)

_AMAZON = "there is no integration for Amazon's model services"
_GOOGLE = "there is no integration for Vertex AI; with an API key of Google AI Studio write gemini/MODEL"
_NO_CHAT = "the platform serves chat, text completions and embeddings"
_WRITE_OPENAI = "where the vendor speaks OpenAI's dialect, write openai/MODEL with its address as api_base"

# Those that LiteLLM knows and the platform does not serve: names separated by blanks, and what to do instead.
UNSERVED: tuple[tuple[str, str], ...] = (
    ("bedrock bedrock_mantle sagemaker sagemaker_chat sagemaker_nova amazon_nova", _AMAZON),
    ("vertex_ai vertex_ai_beta", _GOOGLE),
    ("anthropic_text azure_text watsonx_text", "the provider's own successor of this API is served"),
    (
        "cohere cohere_chat",
        "write openai/MODEL with api_base: https://api.cohere.ai/compatibility/v1 and Cohere's key",
    ),
    (
        "assemblyai aws_polly aws_textract azure_speech black_forest_labs deepgram elevenlabs fal_ai nvidia_riva "
        "recraft reducto runwayml soniox stability topaz transcribe",
        _NO_CHAT,
    ),
    (
        "abliteration aiand aihubmix apertis bespoke bigmodel bytez charity_engine chutes clarifai "
        "clf_ai_gateway cloudflare cognition cometapi compactifai coralbricks cortecs crusoe cursor "
        "darkbloom databricks datarobot docker_model_runner edenai empiriolabs empower eu_jev galadriel gdc "
        "gigachat gmi gradient_ai helicone heroku hostinger_router inferenceapis infinity jina_ai kyma laya "
        "lemonade libertai litellm_agent llamagate maritalk meta minimax modelscope nace nadir nano-gpt "
        "neosantara nlp_cloud oci opencode_go openinfer ovhcloud parallel_ai parasail pinstripes poe "
        "predibase prism publicai qwen_ai_platform qwencloud refuseless reka replicate sail sap sarvam "
        "scaledown scx-ai snowflake strands_decider streamlake synthetic tencent tensormesh "
        "text-completion-codestral text-completion-inception typesafe veniceai voyage wally watsonx "
        "xiaomi_mimo zerogpu",
        _WRITE_OPENAI,
    ),
    ("chatgpt github_copilot microsoft_365_copilot", "the platform signs in nowhere on a person's behalf"),
    (
        "auto_router a2a a2a_agent langgraph langflow manus ragflow dotprompt langfuse humanloop custom triton "
        "petals pg_vector s3_vectors valkey milvus mongodb opensearch databricks_agent",
        "it is part of LiteLLM itself, or no server of models",
    ),
)
