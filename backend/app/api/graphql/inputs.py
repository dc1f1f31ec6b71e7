"""What a generation is asked with, and how that becomes a domain request."""

from enum import Enum

import msgspec
import strawberry
from strawberry.scalars import JSON

from app.api.graphql.scalars import Count
from app.domain.chat import (
    ChatRequest,
    ImagePart,
    Message,
    Part,
    ResponseFormat,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from app.domain.errors import InvalidRequest


@strawberry.enum
class Role(Enum):
    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@strawberry.enum(description="Whether the model calls tools: as it likes, never, or some tool for certain.")
class ToolMode(Enum):
    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@strawberry.input(description="An image: `url`, or `data` with its `mediaType`.")
class ImageInput:
    url: str | None = None
    data: str | None = strawberry.field(default=None, description="Base64.")
    media_type: str | None = None


@strawberry.input(description="A tool call of an earlier answer.")
class ToolCallInput:
    id: str
    name: str
    arguments: str = strawberry.field(description="JSON text, as the model wrote it.")


@strawberry.input(description="One turn of the conversation.")
class MessageInput:
    role: Role
    content: str | None = None
    images: list[ImageInput] = strawberry.field(default_factory=list, description="After the text.")
    tool_calls: list[ToolCallInput] = strawberry.field(
        default_factory=list, description="What the assistant called in this turn."
    )
    tool_call_id: str | None = strawberry.field(
        default=None, description="For the role TOOL: the call that this is the result of."
    )
    name: str | None = None


@strawberry.input(description="A function that the model may call.")
class ToolInput:
    name: str
    description: str | None = None
    parameters: JSON | None = strawberry.field(default=None, description="A JSON Schema object.")
    strict: bool | None = None


@strawberry.input(description="The shape that the answer must have.")
class ResponseFormatInput:
    schema: JSON | None = strawberry.field(default=None, description="A JSON Schema object; without it any JSON.")
    name: str = "answer"
    strict: bool | None = None


@strawberry.input(description="How to answer. What is left out is the provider's default.")
class GenerationOptions:
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: Count | None = None
    stop: list[str] = strawberry.field(default_factory=list)
    max_output_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    tools: list[ToolInput] = strawberry.field(default_factory=list)
    tool_choice: ToolMode | None = None
    tool_name: str | None = strawberry.field(default=None, description="The one tool that must be called.")
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormatInput | None = None
    reasoning_effort: str | None = None
    user: str | None = None


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of one generation, as its resolver got them."""

    model: str
    prompt: str | None
    system: str | None
    messages: list[MessageInput] | None
    options: GenerationOptions | None

    def request(self, *, stream: bool) -> ChatRequest:
        """Raises InvalidRequest."""
        options = self.options or GenerationOptions()
        return ChatRequest(
            model=self.model,
            messages=self._messages(),
            sampling=_sampling(options),
            tools=tuple(_tool(tool) for tool in options.tools),
            tool_choice=_tool_choice(options),
            parallel_tool_calls=options.parallel_tool_calls,
            response_format=_response_format(options.response_format),
            reasoning_effort=options.reasoning_effort,
            user=options.user,
            stream=stream,
            include_usage=True,
        )

    def _messages(self) -> tuple[Message, ...]:
        if (self.prompt is None) == (not self.messages):
            raise InvalidRequest("Give either `prompt` or `messages`.", param="prompt")
        found = [_message(message) for message in self.messages or ()]
        if self.prompt is not None:
            found.append(Message(role="user", content=(TextPart(text=self.prompt),)))
        if self.system is not None:
            found.insert(0, Message(role="system", content=(TextPart(text=self.system),)))
        return tuple(found)


def _message(message: MessageInput) -> Message:
    if message.role is Role.TOOL:
        if message.tool_call_id is None:
            raise InvalidRequest("A message of the role TOOL needs `toolCallId`.", param="messages")
        text = (TextPart(text=message.content or ""),)
        return Message(role="tool", content=(ToolResult(call_id=message.tool_call_id, content=text),))
    parts: list[Part] = [] if message.content is None else [TextPart(text=message.content)]
    parts.extend(_image(image) for image in message.images)
    parts.extend(ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in message.tool_calls)
    return Message(role=message.role.value, content=tuple(parts), name=message.name)


def _image(image: ImageInput) -> ImagePart:
    if (image.url is None) == (image.data is None):
        raise InvalidRequest("An image needs either `url` or `data`.", param="messages")
    return ImagePart(url=image.url, data=image.data, media_type=image.media_type)


def _sampling(options: GenerationOptions) -> Sampling:
    return Sampling(
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        seed=options.seed,
        stop=tuple(options.stop),
        max_output_tokens=options.max_output_tokens,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
    )


def _tool(tool: ToolInput) -> Tool:
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters=_json_object(tool.parameters, "options.tools.parameters"),
        strict=tool.strict,
    )


def _tool_choice(options: GenerationOptions) -> ToolChoice | None:
    if options.tool_name is not None:
        return ToolChoice(mode="named", name=options.tool_name)
    return None if options.tool_choice is None else ToolChoice(mode=options.tool_choice.value)


def _response_format(wanted: ResponseFormatInput | None) -> ResponseFormat | None:
    if wanted is None:
        return None
    schema = _json_object(wanted.schema, "options.responseFormat.schema")
    if schema is None:
        return ResponseFormat(kind="json_object")
    return ResponseFormat(kind="json_schema", name=wanted.name, schema=schema, strict=wanted.strict)


def _json_object(value: object, where: str) -> dict[str, object] | None:
    if value is not None and not isinstance(value, dict):
        raise InvalidRequest(f"`{where}` must be a JSON object.", param=where)
    return value
