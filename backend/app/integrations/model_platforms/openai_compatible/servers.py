"""Servers that people run themselves. Pure facts; what departs from OpenAI has its source."""

from app.integrations.model_platforms.openai_compatible.vendor import Counting, Residence, Tokenizing, Vendor

# What servers in general call the context length; for a vendor that is not in the catalogue.
_ANY_CONTEXT = ("max_model_len", "context_window", "context_length", "max_context_length", "meta.n_ctx_train")

GENERIC = Vendor(
    kind="openai_compatible", title="OpenAI-compatible server", context_fields=_ANY_CONTEXT, reranks=True
)

# Of a chat, what vLLM's /tokenize takes.
_TOKENIZED = frozenset(
    {
        "model",
        "messages",
        "tools",
        "chat_template",
        "chat_template_kwargs",
        "add_generation_prompt",
        "continue_final_message",
        "mm_processor_kwargs",
    }
)

SERVERS = (
    # https://docs.vllm.ai/en/stable/usage/security/ (a key guards /v1 alone)
    # vllm/entrypoints/serve/tokenize/protocol.py of https://github.com/vllm-project/vllm
    Vendor(
        kind="vllm",
        title="vLLM",
        reranks=True,
        health_path="/health",
        context_fields=("max_model_len",),
        counting=(
            Counting(
                path="/tokenize",
                answer="count",
                fields=_TOKENIZED,
            ),
        ),
        tokenizing=Tokenizing(
            text="prompt",
            back="prompt",
            special="add_special_tokens",
            pieces="return_token_strs",
            chat=_TOKENIZED,
        ),
        # https://docs.vllm.ai/en/latest/features/sleep_mode/
        residence=Residence(
            load="/wake_up",
            unload="/sleep?level=1",
            named=False,
            asleep=("/is_sleeping", "is_sleeping"),
            needs="--enable-sleep-mode and VLLM_SERVER_DEV_MODE=1",
        ),
    ),
    # https://docs.sglang.ai; its /tokenize takes a text and no chat:
    # python/sglang/srt/entrypoints/openai/serving_tokenize.py of https://github.com/sgl-project/sglang
    Vendor(
        kind="sglang",
        title="SGLang",
        base_url="http://localhost:30000",
        reranks=True,
        health_path="/health",
        context_fields=("max_model_len",),
        tokenizing=Tokenizing(
            text="prompt",
            back="text",
            special="add_special_tokens",
            back_constants={"skip_special_tokens": False},
        ),
    ),
    # https://huggingface.co/docs/text-generation-inference/reference/api_reference
    Vendor(
        kind="tgi",
        title="Text Generation Inference",
        health_path="/health",
        facts_path="/info",
        context_fields=("max_total_tokens",),
        embeddings=False,
        counting=(Counting(path="/chat_tokenize", answer="tokenize_response"),),
    ),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    # It gives one of --threads-http to each open connection, for 5 s after its last answer, while others wait.
    Vendor(
        kind="llamacpp",
        title="llama.cpp server",
        base_url="http://localhost:8080",
        reranks=True,
        health_path="/health",
        facts_path="/props",
        pooled=False,
        context_fields=("default_generation_settings.n_ctx", "meta.n_ctx", "meta.n_ctx_train"),
        counting=(
            Counting(path="chat/completions/input_tokens", answer="input_tokens"),
            Counting(
                template="/apply-template",
                path="/tokenize",
                text="content",
                constants={"add_special": True, "parse_special": True},
                answer="tokens",
            ),
        ),
        tokenizing=Tokenizing(
            text="content",
            back="content",
            special="add_special",
            pieces="with_pieces",
            constants={"parse_special": True},
            template="/apply-template",
        ),
        # Its router answers as soon as it has begun to load.
        residence=Residence(
            load="/models/load",
            unload="/models/unload",
            named=True,
            needs="--models-dir, and no --model, so that it is a router of several",
        ),
    ),
    # https://localai.io
    Vendor(kind="localai", title="LocalAI", base_url="http://localhost:8080", reranks=True),
    # https://github.com/oobabooga/text-generation-webui/tree/main/docs
    Vendor(
        kind="text_generation_webui",
        title="text-generation-webui",
        base_url="http://localhost:5000",
        health_path="internal/health",
        counting=(
            Counting(template="internal/chat-prompt", path="internal/token-count", text="text", answer="length"),
        ),
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
