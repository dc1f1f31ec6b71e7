"""What further clouds answer to a question for their models, in the shape that their documentation shows."""

from app.domain.prices import Price
from tests.integration.integrations.openai_compatible.listings import Listing, listed

MORE_CLOUDS = [
    Listing(
        "azure_openai",
        {
            "/openai/v1/models": listed(
                {
                    "id": "gpt-4o-2024-08-06",
                    "object": "model",
                    "created_at": 1722470400,
                    "status": "succeeded",
                    "capabilities": {"chat_completion": True, "embeddings": False, "inference": True},
                    "lifecycle_status": "generally-available",
                }
            )
        },
        [("gpt-4o-2024-08-06", {"chat", "completion"}, {})],
    ),
    Listing(
        "mistral",
        {
            "/v1/models": listed(
                {
                    "id": "magistral-medium-2509",
                    "object": "model",
                    "created": 1757000000,
                    "owned_by": "mistralai",
                    "capabilities": {"completion_chat": True, "reasoning": True, "vision": True, "audio": False},
                    "max_context_length": 131072,
                    "aliases": ["magistral-medium-latest", "magistral-medium-2509"],
                    "type": "base",
                },
                {
                    "id": "mistral-ocr-2505",
                    "object": "model",
                    "capabilities": {"completion_chat": False, "ocr": True, "vision": True},
                    "aliases": None,
                    "type": "base",
                },
            )
        },
        [
            (
                "magistral-medium-2509",
                {"chat", "reasoning", "vision"},
                {
                    "context_window": 131072,
                    "created": 1757000000,
                    "owned_by": "mistralai",
                    "aliases": ("magistral-medium-latest",),
                },
            ),
            ("mistral-ocr-2505", set(), {}),
        ],
    ),
    Listing(
        "xai",
        {
            "/v1/models": listed(
                {
                    "id": "grok-4-0709",
                    "object": "model",
                    "created": 1752019200,
                    "owned_by": "xai",
                    "aliases": ["grok-4", "grok-4-latest"],
                    "context_length": 256000,
                },
                {"id": "grok-imagine-image", "object": "model", "created": 1752019200, "owned_by": "xai"},
            )
        },
        [
            (
                "grok-4-0709",
                {"chat"},
                {
                    "context_window": 256000,
                    "created": 1752019200,
                    "owned_by": "xai",
                    "aliases": ("grok-4", "grok-4-latest"),
                },
            ),
            ("grok-imagine-image", set(), {"created": 1752019200, "owned_by": "xai"}),
        ],
    ),
    Listing(
        "fireworks",
        {
            "/v1/models": listed(
                {
                    "id": "accounts/fireworks/models/kimi-k2-instruct",
                    "object": "model",
                    "owned_by": "fireworks",
                    "created": 1752278400,
                    "kind": "HF_BASE_MODEL",
                    "supports_chat": True,
                    "supports_image_input": False,
                    "supports_tools": True,
                    "context_length": 131072,
                },
                {
                    "id": "accounts/fireworks/models/flux-1-schnell-fp8",
                    "object": "model",
                    "kind": "FLUMINA_BASE_MODEL",
                    "supports_chat": False,
                    "supports_image_input": False,
                    "supports_tools": False,
                },
            )
        },
        [
            (
                "accounts/fireworks/models/kimi-k2-instruct",
                {"chat", "completion", "tools"},
                {"context_window": 131072, "created": 1752278400, "owned_by": "fireworks"},
            ),
            ("accounts/fireworks/models/flux-1-schnell-fp8", set(), {}),
        ],
    ),
    Listing(
        "cerebras",
        {
            "/public/v1/models": listed(
                {
                    "id": "gpt-oss-120b",
                    "object": "model",
                    "created": 1754352000,
                    "owned_by": "OpenAI",
                    "description": "Thinks.",
                    "capabilities": {
                        "tools": True,
                        "structured_outputs": True,
                        "reasoning": True,
                        "vision": False,
                    },
                    "limits": {"max_context_length": 131072, "max_completion_tokens": 40960},
                }
            )
        },
        [
            (
                "gpt-oss-120b",
                {"chat", "completion", "tools", "json_schema", "reasoning"},
                {
                    "context_window": 131072,
                    "max_output_tokens": 40960,
                    "created": 1754352000,
                    "owned_by": "OpenAI",
                    "description": "Thinks.",
                },
            )
        ],
    ),
    Listing(
        "cerebras",
        {"/v1/models": listed({"id": "llama3.1-8b", "object": "model", "created": 0, "owned_by": "Meta"})},
        [("llama3.1-8b", {"chat", "completion"}, {"owned_by": "Meta"})],
    ),
    Listing(
        "perplexity",
        {"/v1/models": listed({"id": "openai/gpt-5.1", "object": "model", "created": 0, "owned_by": "openai"})},
        [("openai/gpt-5.1", {"chat"}, {"owned_by": "openai"})],
    ),
    Listing("cohere", {"/v1/models": listed()}, []),
    Listing(
        "moonshot",
        {
            "/v1/models": listed(
                {
                    "id": "kimi-k2.5",
                    "object": "model",
                    "created": 1769385600,
                    "owned_by": "moonshot",
                    "context_length": 262144,
                    "supports_image_in": True,
                    "supports_video_in": True,
                    "supports_reasoning": True,
                }
            )
        },
        [
            (
                "kimi-k2.5",
                {"chat", "vision", "reasoning"},
                {"context_window": 262144, "created": 1769385600, "owned_by": "moonshot"},
            )
        ],
    ),
    Listing(
        "zai",
        {"/v4/models": listed({"id": "glm-4.6", "object": "model", "created": 1759190400, "owned_by": "z-ai"})},
        [("glm-4.6", {"chat"}, {"created": 1759190400, "owned_by": "z-ai"})],
    ),
    Listing(
        "dashscope",
        {
            "/v1/models": listed(
                {"id": "qwen3-max", "object": "model", "created": 1758585600, "owned_by": "system"}
            )
        },
        [("qwen3-max", {"chat"}, {"created": 1758585600, "owned_by": "system"})],
    ),
    Listing(
        "sambanova",
        {
            "/v1/models": listed(
                {
                    "id": "Meta-Llama-3.3-70B-Instruct",
                    "object": "model",
                    "owned_by": "no-reply@sambanova.ai",
                    "context_length": 131072,
                    "max_completion_tokens": 3072,
                    "pricing": {"prompt": "0.0000006", "completion": "0.0000012"},
                }
            )
        },
        [
            (
                "Meta-Llama-3.3-70B-Instruct",
                {"chat", "completion"},
                {
                    "context_window": 131072,
                    "max_output_tokens": 3072,
                    "owned_by": "no-reply@sambanova.ai",
                    "price": Price(input=0.6, output=1.2),
                },
            )
        ],
    ),
]
