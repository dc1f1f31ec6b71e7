"""The scenarios: what is asked, what the providers do, and what must come of it whichever way it is asked."""

import msgspec

from app.domain.chat import (
    ChatRequest,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
)
from app.domain.errors import (
    BudgetExceeded,
    ContextLengthExceeded,
    Overloaded,
    PlatformError,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.events import (
    Finished,
    ReasoningDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.limits import Estimate, Rate, Tier
from app.domain.usage import Usage
from app.inference.policy import Timeouts
from tests.contract.parity.gateway import KEY, Script, Wait
from tests.contract.parity.outcome import Asking, Outcome, bare


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`scripts`: one a provider, in the order in which they are tried; `reached`: how many are. `wanted`: all but
    `asked`. `needs`: what a protocol must have room for. `leaves`: the caller goes in the middle of the answer.
    `booked`: whether the call's record counts. Not for what makes no sense, which may be turned away before it is
    a call, nor for a deadline, which may pass here or at the caller first. `window`: the context of the model.
    `tier`: the limits of the caller, who has had a call of the size `before`.
    """

    name: str
    wanted: Outcome
    scripts: tuple[Script, ...]
    asking: Asking
    timeouts: Timeouts | None = None
    refusal: PlatformError | None = None
    needs: str | None = None
    leaves: bool = False
    booked: bool = True
    reached: int = 1
    window: int | None = None
    tier: Tier | None = None
    before: Estimate | None = None

    @property
    def asked(self) -> tuple[object, ...]:
        """What each provider that is reached must be asked."""
        return (bare(self.asking.request),) * self.reached


START = Started(id="answer-1", model="model", created=1)
USAGE = UsageReported(usage=Usage(input_tokens=3, output_tokens=2))
END = (Finished(reason="stop"), USAGE)
HELLO: Script = (START, TextDelta(text="Hel"), TextDelta(text="lo"), *END)
SAID = Outcome(text="Hello", finish="stop", usage=(3, 2, 0), record="ok")
LOOK = Tool(name="look", parameters={"properties": {"at": {"type": "string"}}, "type": "object"})
ROAM = Tool(name="roam", parameters={"properties": {}, "type": "object"})
SCHEMA = {"properties": {"answer": {"type": "integer"}}, "required": ["answer"], "type": "object"}
SHORT = Timeouts(first_token=0.05, idle=0.05, total=0.3)
NONE_AT_ALL = Timeouts(first_token=0.4, idle=0.4, total=0.4)  # a tenth of it may pass before the upstream is asked
FAMILY = "né 👩\u200d👩\u200d👧 末"


def _turn(role: str, *parts: TextPart | ToolCall | ToolResult) -> Message:
    return msgspec.convert({"role": role, "content": msgspec.to_builtins(parts)}, Message)


def _said(role: str, text: str) -> Message:
    return _turn(role, TextPart(text=text))


def _ask(*messages: Message, model: str = "model", tokens: int = 64, **fields: object) -> ChatRequest:
    """`fields`: of Sampling or of the request."""
    sampling = {name: fields.pop(name) for name in ("stop", "temperature") if name in fields}
    asked = ChatRequest(
        model=model,
        messages=messages or (_said("user", "hi"),),
        sampling=Sampling(max_output_tokens=tokens, **sampling),  # type: ignore[arg-type]
    )
    return msgspec.structs.replace(asked, **fields)


def _answered(*events: StreamEvent | BaseException | Wait) -> Script:
    return (START, *events)


def _with(outcome: Outcome, **fields: object) -> Outcome:
    return msgspec.structs.replace(outcome, **fields)


def _failed(word: str, record: str | None, *, retry_after: float | None = None, closed: int = 0) -> Outcome:
    return Outcome(error=word, record=record, retry_after=retry_after, closed=closed)


def _fine(name: str, request: ChatRequest | None = None, script: Script = HELLO, **wanted: object) -> Scenario:
    asking = Asking(request=request or _ask(), key=KEY)
    return Scenario(name=name, asking=asking, scripts=(script,), wanted=_with(SAID, **wanted))


def _fails(name: str, error: PlatformError, word: str, *, retry_after: float | None = None) -> Scenario:
    """The provider refuses."""
    wanted = _failed(word, error.kind.value, retry_after=retry_after)
    return Scenario(name=name, asking=Asking(request=_ask(), key=KEY), scripts=((error,),), wanted=wanted)


def _refused(name: str, asking: Asking, word: str, record: str | None = None, **fields: object) -> Scenario:
    """The platform refuses: no provider hears of it."""
    scenario = Scenario(
        name=name,
        asking=asking,
        scripts=(HELLO,),
        wanted=_failed(word, record),
        booked=record is not None,
        reached=0,
    )
    return msgspec.structs.replace(scenario, **fields)


def _limited(name: str, rate: Rate, retry_after: float) -> Scenario:
    return msgspec.structs.replace(
        _refused(name, Asking(request=_ask(), key=KEY), "rate_limited", "resource_exhausted"),
        tier=Tier(name="small", rates=(rate,)),
        before=Estimate(50, 50),
        wanted=_failed("rate_limited", "resource_exhausted", retry_after=retry_after),
    )


def _called(*calls: tuple[str, str, str]) -> dict[str, object]:
    return {"text": "", "calls": calls, "finish": "tool_calls"}


_TOOL_TURNS = (
    _said("user", "Look here and there."),
    _turn(
        "assistant",
        TextPart(text="I look."),
        ToolCall(id="call_1", name="look", arguments='{"at": "here"}'),
        ToolCall(id="call_2", name="look", arguments='{"at": "there"}'),
    ),
    _turn("tool", ToolResult(call_id="call_1", content=(TextPart(text="a pod"),))),
    _turn("tool", ToolResult(call_id="call_2", content=(TextPart(text="nothing"),))),
)
_ONE_CALL = _answered(
    TextDelta(text="I look."),
    ToolCallStarted(index=0, id="call_1", name="look"),
    ToolCallDelta(index=0, arguments='{"at":'),
    ToolCallDelta(index=0, arguments=' "hé"}'),
    Finished(reason="tool_calls"),
    USAGE,
)
_TWO_CALLS = _answered(
    ToolCallStarted(index=0, id="call_1", name="look"),
    ToolCallDelta(index=0, arguments='{"at": "here"}'),
    ToolCallStarted(index=1, id="call_2", name="roam"),
    ToolCallDelta(index=1, arguments="{}"),
    Finished(reason="tool_calls"),
    USAGE,
)
_DIES = (START, TextDelta(text="Hel"), UpstreamUnavailable("'provider-0' broke off.", provider="provider-0"))
_HANGS = (START, TextDelta(text="Hel"), Wait.FOR_EVER)
_CUT = _with(SAID, text="Hel", finish=None, usage=None)
_PROVIDER = "provider-0"

ANSWERS = [
    _fine("plain text"),
    msgspec.structs.replace(
        _fine("words arrive as they are made", None, (*HELLO[:2], Wait.FOR_THE_READER, *HELLO[2:])),
        needs="pieces",
    ),
    _fine("system prompt", _ask(_said("system", "Be brief."), _said("user", "hi"))),
    _fine("several turns", _ask(_said("user", "hi"), _said("assistant", "Hello."), _said("user", "And now?"))),
    _fine("temperature", _ask(temperature=0.5)),
    _fine(
        "a tool is called",
        _ask(tools=(LOOK,)),
        _ONE_CALL,
        **{
            **_called(("call_1", "look", '{"at": "h\\u00e9"}')),
            "text": "I look.",
        },
    ),
    _fine(
        "two tools are called at once",
        _ask(tools=(LOOK, ROAM)),
        _TWO_CALLS,
        **_called(("call_1", "look", '{"at": "here"}'), ("call_2", "roam", "{}")),
    ),
    _fine("a turn with the results of tools", _ask(*_TOOL_TURNS, tools=(LOOK,))),
    _fine(
        "structured output",
        _ask(response_format=ResponseFormat(kind="json_schema", name="answer", schema=SCHEMA)),
        _answered(TextDelta(text='{"answer":'), TextDelta(text=" 42}"), *END),
        text='{"answer": 42}',
    ),
    msgspec.structs.replace(
        _fine(
            "stop sequence",
            _ask(stop=("END", "###")),
            _answered(TextDelta(text="Hello"), Finished(reason="stop", stop_sequence="END"), USAGE),
        ),
        needs="stop",
    ),
    _fine(
        "most tokens are reached",
        _ask(tokens=16),
        _answered(TextDelta(text="Hel"), Finished(reason="length"), USAGE),
        text="Hel",
        finish="length",
    ),
    _fine(
        "the provider cuts the content",
        None,
        _answered(TextDelta(text="Hel"), Finished(reason="content_filter"), USAGE),
        text="Hel",
        finish="content_filter",
    ),
    _fine(
        "reasoning",
        _ask(reasoning_effort="low"),
        _answered(ReasoningDelta(text="Hm, "), ReasoningDelta(text="well."), *HELLO[1:-2], *END),
        reasoning="Hm, well.",
    ),
    msgspec.structs.replace(
        _fine(
            "characters cut in two by packets, and across deltas",
            _ask(_said("user", FAMILY)),
            _answered(*(TextDelta(text=char) for char in FAMILY), *END),
            text=FAMILY,
        ),
        asking=Asking(request=_ask(_said("user", FAMILY)), key=KEY, pieces=True),
    ),
    _fine("an empty answer", None, _answered(*END), text=""),
    _fine("a prompt of 1 MB", _ask(_said("user", "é" * 2**19))),
    _fine("an answer of 1 MB", None, _answered(TextDelta(text="x" * 2**20), *END), text="x" * 2**20),
    _fine(
        "usage with cached tokens",
        None,
        (*HELLO[:-1], UsageReported(usage=Usage(input_tokens=90, output_tokens=7, cached_tokens=80))),
        usage=(90, 7, 80),
    ),
    msgspec.structs.replace(
        _fine("usage is not told", None, HELLO[:-1], usage=None),
        needs="unknown usage",
    ),
]
REFUSALS = [
    _refused("unknown model", Asking(request=_ask(model="nobody"), key=KEY), "not_found", "not_found"),
    _refused("missing model", Asking(request=_ask(model=""), key=KEY), "invalid"),
    _refused(
        'temperature "hot"',
        Asking(request=_ask(), key=KEY, wrong={"temperature": "hot"}),
        "invalid",
        needs="wrong type",
    ),
    _refused(
        "a tool's schema that is none",
        Asking(request=_ask(tools=(Tool(name="look", parameters=[1]),)), key=KEY),  # type: ignore[arg-type]
        "invalid",
    ),
    _refused("no turns", Asking(request=msgspec.structs.replace(_ask(), messages=()), key=KEY), "invalid"),
    _refused("no key", Asking(request=_ask()), "unauthenticated"),
    _refused("wrong key", Asking(request=_ask(), key="sk-wrong"), "unauthenticated"),
    msgspec.structs.replace(
        _refused("the platform is full", Asking(request=_ask(), key=KEY), "server", "unavailable"),
        refusal=Overloaded("There is no room.", retry_after=1.0),
        wanted=_failed("server", "unavailable", retry_after=1.0),
    ),
    _limited("the tier's requests are spent", Rate(unit="requests", limit=1), 61.0),
    _limited("the tier's tokens are spent", Rate(unit="tokens", limit=100, window=600.0), 610.0),
    _limited(
        "the tier's tokens of answers are spent", Rate(unit="output_tokens", limit=50, window=3600.0), 3660.0
    ),
    _limited("as many are under way as the tier allows", Rate(unit="concurrent", limit=1), 1.0),
    _refused(
        "a prompt that no target has room for",
        Asking(request=_ask(_said("user", "hi " * 300)), key=KEY),
        "too_long",
        "out_of_range",
        window=100,
    ),
    msgspec.structs.replace(
        _refused("the budget is spent", Asking(request=_ask(), key=KEY), "rate_limited", "resource_exhausted"),
        refusal=BudgetExceeded("Spent."),
    ),
]
FAILURES = [
    _fails("prompt too long", ContextLengthExceeded("5 of 4 tokens."), "too_long"),
    _fails("unsupported feature", UnsupportedFeature("It sees no images."), "invalid"),
    _fails(
        "upstream 429 with Retry-After",
        UpstreamRateLimited("Slower.", retry_after=3.0, provider=_PROVIDER),
        "server",
        retry_after=3.0,
    ),
    _fails("upstream 500", UpstreamError("It failed.", provider=_PROVIDER), "server"),
    _fails("upstream 503", UpstreamUnavailable("It is away.", provider=_PROVIDER), "server"),
    _fails("upstream 504", UpstreamTimeout("It was slow.", provider=_PROVIDER), "timeout"),
    _fails("upstream refuses our credential", UpstreamAuthFailed("Refused.", provider=_PROVIDER), "server"),
    _fails("upstream talks nonsense", ProviderProtocolError("Nonsense.", provider=_PROVIDER), "server"),
    msgspec.structs.replace(
        _fine("upstream ends before it begins", None, ()),
        wanted=_failed("server", "data_loss", closed=1),
    ),
    msgspec.structs.replace(
        _fine("a defect in mid-answer", None, (START, TextDelta(text="Hel"), ZeroDivisionError("a secret"))),
        needs="pieces",
        wanted=_with(_CUT, error="server", record="unavailable"),
    ),
    msgspec.structs.replace(
        _fine("a defect before the first word", None, (ZeroDivisionError("a secret"),)),
        wanted=_failed("server", "unavailable"),
    ),
    msgspec.structs.replace(
        _fails("upstream hangs", UpstreamTimeout("Set by the script."), "timeout"),
        scripts=((Wait.FOR_EVER,),),
        timeouts=NONE_AT_ALL,
        wanted=_failed("timeout", "deadline_exceeded", closed=1),
    ),
    msgspec.structs.replace(
        _fine("upstream dies in mid-answer", None, _DIES),
        wanted=_with(_CUT, error="server", record="unavailable"),
    ),
    msgspec.structs.replace(
        _fine("upstream falls silent in mid-answer", None, _HANGS),
        timeouts=SHORT,
        wanted=_with(_CUT, error="timeout", record="deadline_exceeded"),
    ),
    msgspec.structs.replace(
        _fine("another provider takes over before the first word", None),
        scripts=((UpstreamUnavailable("It is away.", provider=_PROVIDER),), HELLO),
        reached=2,
    ),
    msgspec.structs.replace(
        _fine("another provider takes over from an answer that nobody has seen yet", None),
        scripts=(_DIES, HELLO),
        reached=2,
        needs="one piece",
        wanted=_with(SAID, closed=2),
    ),
    msgspec.structs.replace(
        _fine("no other provider takes over after the first word", None),
        scripts=(_DIES, HELLO),
        needs="pieces",
        wanted=_with(_CUT, error="server", record="unavailable"),
    ),
    msgspec.structs.replace(
        _fine("the caller leaves in mid-answer", None, _HANGS),
        leaves=True,
        wanted=_with(_CUT, record="cancelled"),
    ),
    msgspec.structs.replace(
        _fine("the caller's deadline passes", None, (Wait.FOR_EVER,)),
        asking=Asking(request=_ask(), key=KEY, deadline=0.1),
        needs="deadline",
        booked=False,
        wanted=_failed("timeout", None, closed=1),
    ),
]
SCENARIOS = [*ANSWERS, *REFUSALS, *FAILURES]
