"""The shapes of what Gemini answers. A whole answer and a frame of a stream are alike.

Fields that the platform has no use for are not named; those that are absent have defaults.
Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from typing import Literal

import msgspec

from app.integrations.model_platforms.gemini.errors import Status


class _Shape(msgspec.Struct, rename="camel"):
    pass


class FunctionCall(_Shape):
    """`args` stays the JSON text that came. `id` is not always there."""

    name: str
    id: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Media(_Shape):
    mime_type: str = ""


class Part(_Shape):
    """`thought`: the text is a summary of the model's thinking."""

    text: str = ""
    thought: bool = False
    thought_signature: str = ""
    function_call: FunctionCall | None = None
    inline_data: Media | None = None
    file_data: Media | None = None


class Content(_Shape):
    parts: list[Part] | None = None


class Token(_Shape):
    token: str = ""
    log_probability: float = 0.0


class Alternatives(_Shape):
    candidates: list[Token] | None = None


class Logprobs(_Shape):
    chosen_candidates: list[Token] | None = None
    top_candidates: list[Alternatives] | None = None


class Candidate(_Shape):
    content: Content | None = None
    finish_reason: str = ""
    index: int = 0
    logprobs_result: Logprobs | None = None


class PromptFeedback(_Shape):
    block_reason: str = ""


class UsageMetadata(_Shape):
    """`total_token_count` is the sum of all others, but for `cached_content_token_count`, part of the prompt's."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    total_token_count: int = 0


class Frame(_Shape):
    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str = ""
    response_id: str = ""
    error: Status | None = None


class _Text(_Shape):
    text: str
    thought: bool = False
    thought_signature: str = ""
    function_call: None = None
    inline_data: Media | None = None
    file_data: Media | None = None


class _TextContent(_Shape):
    parts: tuple[_Text]


class _TextCandidate(_Shape):
    content: _TextContent
    index: int = 0
    finish_reason: Literal[""] = ""
    logprobs_result: None = None


class TextFrame(_Shape):
    """The frame that nearly all of a stream consists of: one candidate that says something and has not ended."""

    candidates: tuple[_TextCandidate]
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str = ""
    response_id: str = ""
    error: None = None


class Embedding(_Shape):
    values: tuple[float, ...]


class Embeddings(_Shape):
    embeddings: list[Embedding]
    usage_metadata: UsageMetadata | None = None


class Count(_Shape):
    total_tokens: int = 0


class Model(_Shape):
    """`name` is models/<id>."""

    name: str
    display_name: str = ""
    description: str = ""
    input_token_limit: int = 0
    output_token_limit: int = 0
    supported_generation_methods: list[str] = []
    thinking: bool = False


class Models(_Shape):
    """One page of the list. The list is left out where it would be empty."""

    models: list[Model] = []
    next_page_token: str = ""
