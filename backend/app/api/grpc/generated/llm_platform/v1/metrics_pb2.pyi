from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetMetricsRequest(_message.Message):
    __slots__ = ("interval_seconds", "once")
    INTERVAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ONCE_FIELD_NUMBER: _ClassVar[int]
    interval_seconds: float
    once: bool
    def __init__(self, interval_seconds: _Optional[float] = ..., once: _Optional[bool] = ...) -> None: ...

class MetricsSnapshot(_message.Message):
    __slots__ = ("since", "at", "active", "total", "models")
    class ModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ModelFigures
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ModelFigures, _Mapping]] = ...) -> None: ...
    SINCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    since: float
    at: float
    active: int
    total: ModelFigures
    models: _containers.MessageMap[str, ModelFigures]
    def __init__(self, since: _Optional[float] = ..., at: _Optional[float] = ..., active: _Optional[int] = ..., total: _Optional[_Union[ModelFigures, _Mapping]] = ..., models: _Optional[_Mapping[str, ModelFigures]] = ...) -> None: ...

class ModelFigures(_message.Message):
    __slots__ = ("requests", "errors", "cancelled", "input_tokens", "output_tokens", "seconds")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    requests: int
    errors: int
    cancelled: int
    input_tokens: int
    output_tokens: int
    seconds: float
    def __init__(self, requests: _Optional[int] = ..., errors: _Optional[int] = ..., cancelled: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...
