"""`llm-platform explain`: why a request went where it went."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.client import connected, segment
from app.cli.options import DEFAULT_URL, KeyOption, Output, OutputOption, UrlOption
from app.cli.tables import ago, show_json, show_table

if TYPE_CHECKING:
    from app.cli.answers import Attempt, Candidate, Explanation, Policy

Id = Annotated[str, typer.Argument(help="A request's id: the header x-request-id of its answer.")]


def explain(
    id: Id, url: UrlOption = DEFAULT_URL, api_key: KeyOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Tell why a request went where it went, and what became of it."""
    from app.cli.answers import Explanation

    with connected(url, api_key) as platform:
        answer = platform.request("GET", f"/v1/requests/{segment(id)}/explain")
        found = platform.shaped(answer, Explanation)
    if output is Output.JSON:
        show_json(answer)
        return
    show_table(("REQUEST", found.id), _facts(found), nothing="")
    typer.echo()
    show_table(
        ("CANDIDATE", "FOR", "PRIORITY", "SCORE", "WHY NOT"),
        [_candidate(each) for each in found.candidates],
        nothing="No target was looked at.",
    )
    typer.echo()
    show_table(
        ("ATTEMPT", "FOR", "SENT AT", "WAITED", "TOOK", "RESULT", "LEFT OUT"),
        [_attempt(each) for each in found.attempts],
        nothing="No provider was asked.",
    )


def _facts(found: "Explanation") -> Iterator[tuple[str, str]]:
    yield "asked for", f"{found.model}: {found.meant}" if found.meant else found.model
    if found.policy is not None:
        yield "policy", _policy(found.policy)
    if found.prompt is not None:
        yield "prompt", f"{found.prompt} tokens"
    yield "outcome", f"{found.outcome}: {found.error}" if found.error else found.outcome
    if found.stopped:
        yield "no further try", found.stopped
    if found.cached:
        yield "cache", found.cached
    yield "times", _times(found)
    if found.tokens is not None:
        yield "tokens", _tokens(found)
    if found.charged:
        yield "counted for", ", ".join(found.charged)
    yield "who", f"{found.principal} through {found.front_end} ({found.operation}), {ago(found.started_at)}"


def _policy(policy: "Policy") -> str:
    said = [policy.strategy, "1 retry" if policy.retries == 1 else f"{policy.retries} retries"]
    said += [f"hedged after {policy.hedge_after:g} s"] if policy.hedge_after else []
    kinds = (
        ("fallbacks", policy.fallbacks),
        ("for long prompts", policy.context_fallbacks),
        ("for refused content", policy.content_fallbacks),
    )
    return "; ".join([*said, *(f"{kind}: {', '.join(names)}" for kind, names in kinds if names)])


def _times(found: "Explanation") -> str:
    said = [f"{found.duration_ms:.1f} ms in all"]
    said += [f"{found.first_event_ms:.1f} ms to the first piece"] if found.first_event_ms is not None else []
    said += [f"{found.queued_ms:.1f} ms in line"] if found.queued_ms else []
    return ", ".join(said)


def _tokens(found: "Explanation") -> str:
    assert found.tokens is not None
    said = f"{found.tokens.input} in, {found.tokens.output} out"
    said += f", {found.tokens.cached} of them cached" if found.tokens.cached else ""
    said += " (estimated)" if found.tokens.estimated else ""
    return said if found.cost is None else f"{said}; ${found.cost:.6f}"


def _candidate(each: "Candidate") -> tuple[str, ...]:
    return (
        each.target or "",
        each.model,
        str(each.priority),
        "" if each.score is None else f"{each.score:.4g}",
        each.excluded or each.note or "",
    )


def _attempt(each: "Attempt") -> tuple[str, ...]:
    result = f"{each.result}: {each.message or each.error}" if each.error else each.result
    return (
        f"{each.target} (hedge)" if each.hedge else each.target,
        each.model,
        f"{each.at_ms:.1f} ms",
        f"{each.queued_ms:.1f} ms" if each.queued_ms else "",
        f"{each.ms:.1f} ms",
        result,
        ", ".join(each.dropped),
    )
