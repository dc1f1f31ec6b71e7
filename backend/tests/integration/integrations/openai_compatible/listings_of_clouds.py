"""What clouds answer to a question for their models, in the shape that their documentation shows."""

from app.domain.prices import Price
from tests.integration.integrations.openai_compatible.listings import Listing, listed

CLOUDS = [
    Listing(
        "openai",
        {
            "/v1/models": listed(
                {"id": "gpt-4o", "object": "model", "created": 1686935002, "owned_by": "openai"},
                {"id": "text-embedding-3-small", "object": "model", "created": 1686935002, "owned_by": "openai"},
                {"id": "dall-e-3", "object": "model", "created": 1686935002, "owned_by": "openai"},
                {"id": "tts-1", "object": "model", "created": 1686935002, "owned_by": "openai"},
            )
        },
        [
            ("gpt-4o", {"chat", "completion"}, {"created": 1686935002, "owned_by": "openai"}),
            ("text-embedding-3-small", {"embedding"}, {"created": 1686935002, "owned_by": "openai"}),
            ("dall-e-3", set(), {"created": 1686935002, "owned_by": "openai"}),
            ("tts-1", {"audio"}, {"created": 1686935002, "owned_by": "openai"}),
        ],
    ),
    Listing(
        "groq",
        {
            "/v1/models": listed(
                {
                    "id": "llama-3.3-70b-versatile",
                    "object": "model",
                    "created": 1733447754,
                    "owned_by": "Meta",
                    "active": True,
                    "context_window": 131072,
                    "public_apps": None,
                    "max_completion_tokens": 32768,
                }
            )
        },
        [
            (
                "llama-3.3-70b-versatile",
                {"chat"},
                {
                    "context_window": 131072,
                    "max_output_tokens": 32768,
                    "created": 1733447754,
                    "owned_by": "Meta",
                },
            )
        ],
    ),
    Listing(
        "nvidia",
        {"/v1/models": listed({"id": "nvidia/nv-embed-v1", "created": 735790403, "owned_by": "nvidia"})},
        [("nvidia/nv-embed-v1", {"embedding"}, {"created": 735790403, "owned_by": "nvidia"})],
    ),
    Listing(
        "openrouter",
        {
            "/v1/models": {
                "data": [
                    {
                        "id": "google/gemini-2.5-pro",
                        "name": "Gemini 2.5 Pro",
                        "created": 1741818122,
                        "description": "Thinks.",
                        "context_length": 1048576,
                        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
                        "top_provider": {"max_completion_tokens": 65536, "is_moderated": False},
                        "supported_parameters": ["tools", "structured_outputs", "reasoning", "seed"],
                        "pricing": {
                            "prompt": "0.00000125",
                            "completion": "0.00001",
                            "input_cache_read": "0.000000125",
                            "web_search": "0.014",
                        },
                    },
                    {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
                    {"id": "some/model:free", "pricing": {"prompt": "0", "completion": "0"}},
                ]
            },
            "/v1/key": {"data": {"label": "sk-or-v1-0e6...1c9"}},
        },
        [
            (
                "google/gemini-2.5-pro",
                {"chat", "completion", "vision", "tools", "json_schema", "reasoning"},
                {
                    "context_window": 1048576,
                    "max_output_tokens": 65536,
                    "created": 1741818122,
                    "description": "Thinks.",
                    "price": Price(input=1.25, output=10.0, cached_input=0.125),
                },
            ),
            ("openrouter/auto", {"chat", "completion"}, {}),
            ("some/model:free", {"chat", "completion"}, {"price": Price(input=0.0, output=0.0)}),
        ],
    ),
    Listing(
        "mistral",
        {
            "/v1/models": listed(
                {
                    "id": "mistral-large-latest",
                    "object": "model",
                    "created": 1711430400,
                    "owned_by": "mistralai",
                    "capabilities": {"completion_chat": True, "function_calling": True, "vision": False},
                    "max_context_length": 131072,
                    "type": "base",
                }
            )
        },
        [
            (
                "mistral-large-latest",
                {"chat", "tools"},
                {"context_window": 131072, "created": 1711430400, "owned_by": "mistralai"},
            )
        ],
    ),
    Listing(
        "deepseek",
        {"/models": listed({"id": "deepseek-chat", "object": "model", "owned_by": "deepseek"})},
        [("deepseek-chat", {"chat"}, {"owned_by": "deepseek"})],
    ),
    Listing(
        "together",
        {
            "/v1/models": [
                {
                    "id": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
                    "object": "model",
                    "created": 1733443200,
                    "type": "chat",
                    "context_length": 131072,
                    "pricing": {"hourly": 0, "input": 0.88, "output": 0.88, "base": 0, "finetune": 0},
                },
                {"id": "dedicated", "pricing": {"hourly": 3.5, "input": 0, "output": 0}},
                {"id": "black-forest-labs/FLUX.1", "object": "model", "created": 0, "type": "image"},
                {"id": "togethercomputer/m2-8k", "object": "model", "created": 0, "type": "embedding"},
            ]
        },
        [
            (
                "meta-llama/Llama-3.3-70B-Instruct-Turbo",
                {"chat", "completion"},
                {"context_window": 131072, "created": 1733443200, "price": Price(input=0.88, output=0.88)},
            ),
            ("dedicated", {"chat", "completion"}, {}),
            ("black-forest-labs/FLUX.1", set(), {}),
            ("togethercomputer/m2-8k", {"embedding"}, {}),
        ],
    ),
]
