"""What self-hosted servers answer to a question for their models, in the shape that their documentation shows."""

from dataclasses import dataclass, field
from typing import Any

from app.domain.models import Capability


@dataclass(frozen=True)
class Listing:
    """`answers`: path → JSON. `models`: what they are to be read as: id, capabilities, other fields."""

    kind: str
    answers: dict[str, Any]
    models: list[tuple[str, set[Capability], dict[str, Any]]] = field(default_factory=list)


def listed(*records: object) -> dict[str, Any]:
    return {"object": "list", "data": list(records)}


SERVERS = [
    Listing(
        "vllm",
        {
            "/v1/models": listed(
                {
                    "id": "Qwen/Qwen3-8B",
                    "object": "model",
                    "created": 1760000000,
                    "owned_by": "vllm",
                    "root": "Qwen/Qwen3-8B",
                    "parent": None,
                    "max_model_len": 40960,
                    "permission": [{"id": "modelperm-1", "object": "model_permission"}],
                }
            )
        },
        [
            (
                "Qwen/Qwen3-8B",
                {"chat", "completion"},
                {"context_window": 40960, "created": 1760000000, "owned_by": "vllm"},
            )
        ],
    ),
    Listing(
        "sglang",
        {"/v1/models": listed({"id": "BAAI/bge-m3", "owned_by": "sglang", "max_model_len": 8192})},
        [("BAAI/bge-m3", {"embedding"}, {"context_window": 8192, "owned_by": "sglang"})],
    ),
    Listing(
        "tgi",
        {
            "/v1/models": listed(
                {"id": "tiiuae/falcon-7b", "object": "model", "created": 0, "owned_by": "tiiuae/x"}
            ),
            "/info": {"model_id": "tiiuae/falcon-7b", "max_input_tokens": 1024, "max_total_tokens": 2048},
        },
        [("tiiuae/falcon-7b", {"chat", "completion"}, {"context_window": 2048, "owned_by": "tiiuae/x"})],
    ),
    Listing(
        "llamacpp",
        {
            "/v1/models": {
                "models": [{"name": "qwen.gguf"}],
                **listed(
                    {
                        "id": "qwen.gguf",
                        "created": 1735142223,
                        "owned_by": "llamacpp",
                        "architecture": {"input_modalities": ["text", "image"]},
                        "meta": {"n_ctx_train": 131072, "n_params": 8030261312, "size": 4912898304},
                    }
                ),
            },
            "/props": {
                "default_generation_settings": {"n_ctx": 16384},
                "modalities": {"vision": True, "audio": False},
                "chat_template_caps": {"supports_tools": True},
            },
        },
        [
            (
                "qwen.gguf",
                {"chat", "completion", "vision", "tools"},
                {
                    "context_window": 16384,
                    "size_bytes": 4912898304,
                    "created": 1735142223,
                    "owned_by": "llamacpp",
                },
            )
        ],
    ),
    Listing(
        "llamacpp",
        {"/v1/models": listed({"id": "old", "meta": {"n_ctx_train": 4096}}, {"id": "nomic-embed-text-v1.5"})},
        [
            ("old", {"chat", "completion"}, {"context_window": 4096}),
            ("nomic-embed-text-v1.5", {"embedding"}, {}),
        ],
    ),
    Listing(
        "localai",
        {"/v1/models": listed({"id": "gpt-4", "object": "model"}, {"id": "whisper-1", "object": "model"})},
        [("gpt-4", {"chat", "completion"}, {}), ("whisper-1", {"audio"}, {})],
    ),
    Listing(
        "text_generation_webui",
        {
            "/v1/models": listed({"id": "Llama-3-8B", "object": "model", "created": 0, "owned_by": "user"}),
            "/v1/internal/health": {"status": "ok"},
        },
        [("Llama-3-8B", {"chat", "completion"}, {"owned_by": "user"})],
    ),
    Listing(
        "lm_studio",
        {
            "/api/v0/models": listed(
                {
                    "id": "qwen2-vl-7b-instruct",
                    "type": "vlm",
                    "publisher": "mlx-community",
                    "arch": "qwen2_vl",
                    "compatibility_type": "mlx",
                    "quantization": "4bit",
                    "state": "not-loaded",
                    "max_context_length": 32768,
                },
                {
                    "id": "meta-llama-3.1-8b-instruct",
                    "type": "llm",
                    "publisher": "lmstudio-community",
                    "arch": "llama",
                    "compatibility_type": "gguf",
                    "quantization": "Q4_K_M",
                    "state": "loaded",
                    "max_context_length": 131072,
                    "loaded_context_length": 4096,
                    "capabilities": ["tool_use"],
                },
                {
                    "id": "text-embedding-granite",
                    "type": "embeddings",
                    "state": "not-loaded",
                    "max_context_length": 2048,
                },
            )
        },
        [
            (
                "qwen2-vl-7b-instruct",
                {"chat", "completion", "vision"},
                {
                    "context_window": 32768,
                    "family": "qwen2_vl",
                    "format": "mlx",
                    "quantization": "4bit",
                    "loaded": False,
                    "owned_by": "mlx-community",
                },
            ),
            (
                "meta-llama-3.1-8b-instruct",
                {"chat", "completion", "tools"},
                {
                    "context_window": 4096,
                    "family": "llama",
                    "format": "gguf",
                    "quantization": "Q4_K_M",
                    "loaded": True,
                    "owned_by": "lmstudio-community",
                },
            ),
            ("text-embedding-granite", {"embedding"}, {"context_window": 2048, "loaded": False}),
        ],
    ),
    Listing(
        "lm_studio",
        {"/v1/models": listed({"id": "older-server", "object": "model", "owned_by": "organization_owner"})},
        [("older-server", {"chat", "completion"}, {"owned_by": "organization_owner"})],
    ),
    Listing(
        "openai_compatible",
        {"/v1/models": listed({"id": "some", "context_length": 2048}, {"no": "id"}, "not a record", {"id": 7})},
        [("some", {"chat", "completion"}, {"context_window": 2048})],
    ),
]
