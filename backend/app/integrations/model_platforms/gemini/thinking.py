"""How much a model shall think: one word in the domain, a level or a budget of tokens here.

Gemini 3 takes levels, Gemini 2.5 budgets: https://ai.google.dev/gemini-api/docs/thinking. Which word stands for
how many tokens is what Google's own OpenAI endpoint says: https://ai.google.dev/gemini-api/docs/openai.
"""

from collections.abc import Mapping

from app.domain.errors import InvalidRequest
from app.integrations.model_platforms.gemini.names import is_at_least

_LEVELS: Mapping[str, str] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_BUDGETS: Mapping[str, int] = {
    "none": 0,
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 24_576,
}
# These know the level minimal; to the others it is an error, and low comes next.
_MINIMAL = ("gemini-3-flash", "gemini-3.1-flash-lite", "gemini-3.5-flash", "gemini-3.6-flash")
# The least that a model thinks which always does.
_LEAST_OF_PRO = 128


def encode(effort: str | None, model: str, thinks: bool | None, missed: list[str]) -> dict[str, object]:
    """`thinkingConfig`; empty where nobody asked, or the model does not think. Whoever asks for an effort is shown
    the thoughts too, in summary.

    `model` is the bare name. `thinks`: as the list of models says; None where that is not known. `missed` is told
    of an effort that is not met. Raises InvalidRequest for a word that is no effort.
    """
    if effort is None:
        return {}
    if effort not in _LEVELS:
        raise InvalidRequest(f"reasoning_effort is one of {', '.join(_LEVELS)}.", param="reasoning_effort")
    if thinks or (thinks is None and is_at_least(model, (2, 5))):
        return {**_amount(effort, model, missed), "includeThoughts": effort != "none"}
    if effort != "none":
        missed.append("reasoning_effort")
    return {}


def _amount(effort: str, model: str, missed: list[str]) -> dict[str, object]:
    """A Gemini whose name tells no generation gets a budget, which all of them take (gemini-flash-latest)."""
    levels = is_at_least(model, (3, 0))
    always = levels or "-pro" in model
    if not model.startswith("gemini-"):
        missed.append("reasoning_effort")
        return {}
    if effort == "none" and always:
        missed.append("reasoning_effort")
    if not levels:
        return {"thinkingBudget": max(_BUDGETS[effort], _LEAST_OF_PRO if always else 0)}
    level = _LEVELS[effort]
    return {"thinkingLevel": "low" if level == "minimal" and not model.startswith(_MINIMAL) else level}
