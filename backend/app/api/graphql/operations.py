"""Queries and mutations. What they share with other front-ends is asked of app.api and app.inference."""

from contextlib import aclosing

import strawberry

from app.api.explain import explain
from app.api.graphql import allowances, limits
from app.api.graphql.alerts import Alert, list_alerts
from app.api.graphql.audit import AuditRecord, audit_log
from app.api.graphql.explanation import RequestExplanation, explanation_of
from app.api.graphql.generation import make_call
from app.api.graphql.inputs import Generation, GenerationOptions, MessageInput
from app.api.graphql.jobs import ModelJob, cancel_model_job, model_job, model_jobs, pull_model
from app.api.graphql.keys import (
    IssuedKey,
    KeyShown,
    create_key,
    delete_key,
    list_keys,
    one_key,
    revoke_key,
    rotate_key,
    update_key,
)
from app.api.graphql.models import Model, ModelStatus, ModelStatusUpdate, model_of
from app.api.graphql.outputs import GeneratedText, generated
from app.api.graphql.platform import (
    GenerationRequest,
    Integration,
    Metrics,
    integration_of,
    metrics_of,
    request_of,
)
from app.api.graphql.request import Asking
from app.api.graphql.search import FoundModel, search_models
from app.api.graphql.usage import UsagePage
from app.api.graphql.usage import resolve as _usage
from app.api.models import delete, load, pin, unload, unpin, visible, visible_entry
from app.domain.errors import InvalidRequest, ModelNotFound, NotFound
from app.domain.roles import Right
from app.domain.streams import collect


def _models(info: Asking) -> list[Model]:
    return [model_of(entry) for entry in visible(info.context.api, info.context.principal)]


def _model(info: Asking, id: strawberry.ID) -> Model | None:
    try:
        return model_of(visible_entry(info.context.api, info.context.principal, id))
    except ModelNotFound:
        return None


def _integrations(info: Asking) -> list[Integration]:
    return [integration_of(status) for status in info.context.api.manager.status()]


def _integration(info: Asking, name: str) -> Integration | None:
    manager = info.context.api.manager
    return integration_of(manager.status_of(name)) if name in manager.names() else None


def _metrics(info: Asking) -> Metrics:
    return metrics_of(info.context.api.tally.snapshot())


def _requests(info: Asking, last: int = 20) -> list[GenerationRequest]:
    if not 0 <= last <= limits.REQUESTS:
        raise InvalidRequest(f"`last` must lie between 0 and {limits.REQUESTS}.", param="last")
    principal = info.context.principal
    only = None if principal.may(Right.SEE_REQUESTS) else principal.id
    return [request_of(call) for call in info.context.api.recent.last(last, only)]


async def _explain(info: Asking, id: strawberry.ID) -> RequestExplanation | None:
    try:
        return explanation_of(await explain(info.context.api, id, info.context.principal))
    except NotFound:
        return None


@strawberry.type
class Query:
    models: list[Model] = strawberry.field(
        resolver=_models, description="Every model that may be named in a request."
    )
    model: Model | None = strawberry.field(
        resolver=_model, description="What a name means; null when nothing has it."
    )
    integrations: list[Integration] = strawberry.field(
        resolver=_integrations, description="Every integration, also those that are switched off, by name."
    )
    integration: Integration | None = strawberry.field(
        resolver=_integration, description="One integration; null when there is none of that name."
    )
    metrics: Metrics = strawberry.field(
        resolver=_metrics, description="Requests, errors and tokens since the start."
    )
    requests: list[GenerationRequest] = strawberry.field(
        resolver=_requests,
        description="The last requests that ended, newest first: your own, or all for operators.",
    )
    explain: RequestExplanation | None = strawberry.field(
        resolver=_explain,
        description="Why a request went where it went; null when none of yours, that is known still, has that id.",
    )
    keys: list[KeyShown] = strawberry.field(
        resolver=list_keys, description="Keys, the newest first: those below yours, or all for administrators."
    )
    key: KeyShown | None = strawberry.field(
        resolver=one_key, description="One key; null when none that you may see has that id."
    )
    audit_log: list[AuditRecord] = strawberry.field(
        resolver=audit_log, description="What was done, the newest first. For administrators."
    )
    tiers: list[allowances.Tier] = strawberry.field(
        resolver=allowances.list_tiers, description="Tiers by name: yours, or all for operators."
    )
    budgets: list[allowances.Budget] = strawberry.field(
        resolver=allowances.list_budgets,
        description="Budgets by name, and what is left of them: those of your key and team, or all for operators.",
    )
    search_models: list[FoundModel] = strawberry.field(
        resolver=search_models, description="Models that may be fetched. For operators."
    )
    model_jobs: list[ModelJob] = strawberry.field(
        resolver=model_jobs, description="What is being fetched and loaded, and what was, the newest first."
    )
    model_job: ModelJob | None = strawberry.field(
        resolver=model_job, description="One job; null when none has that id, or it is too long ago."
    )
    alerts: list[Alert] = strawberry.field(
        resolver=list_alerts, description="Alerts that there are now, the most severe first. Of Alertmanager."
    )
    usage: UsagePage = strawberry.field(
        resolver=_usage,
        description="What was asked and what it cost: your own usage, or everybody's for operators.",
    )


async def _generate_text(
    info: Asking,
    model: str,
    prompt: str | None = None,
    system: str | None = None,
    messages: list[MessageInput] | None = None,
    options: GenerationOptions | None = None,
) -> GeneratedText:
    wanted = Generation(model=model, prompt=prompt, system=system, messages=messages, options=options)
    with make_call(info.context, wanted, stream=False) as call:
        async with aclosing(await info.context.api.router.open(call)) as stream:
            result = await collect(stream)
        return generated(result, call)


async def _load_model(info: Asking, id: strawberry.ID) -> ModelStatusUpdate:
    await load(info.context.api, info.context.actor(), id)
    return ModelStatusUpdate(id=id, status=ModelStatus.LOADED)


async def _unload_model(info: Asking, id: strawberry.ID) -> ModelStatusUpdate:
    await unload(info.context.api, info.context.actor(), id)
    return ModelStatusUpdate(id=id, status=ModelStatus.UNLOADED)


async def _pin_model(info: Asking, id: strawberry.ID) -> ModelStatusUpdate:
    await pin(info.context.api, info.context.actor(), id)
    return ModelStatusUpdate(id=id, status=ModelStatus.LOADED)


async def _unpin_model(info: Asking, id: strawberry.ID) -> strawberry.ID:
    await unpin(info.context.api, info.context.actor(), id)
    return id


async def _delete_model(info: Asking, id: strawberry.ID) -> strawberry.ID:
    await delete(info.context.api, info.context.actor(), id)
    return id


@strawberry.type
class Mutation:
    generate_text: GeneratedText = strawberry.field(
        resolver=_generate_text,
        description="A whole answer, to `prompt` or to `messages`. Leaving stops it. The subscription `generate` "
        "gives it piece by piece.",
    )
    pull_model: ModelJob = strawberry.field(
        resolver=pull_model,
        description="Fetch a model, as a job: `hf:org/name`, or as its store names it. For operators. The "
        "subscription `modelJobProgress` tells how far it is.",
    )
    cancel_model_job: ModelJob = strawberry.field(
        resolver=cancel_model_job, description="Stop a job. What was fetched is kept. For operators."
    )
    load_model: ModelStatusUpdate = strawberry.field(
        resolver=_load_model, description="Bring a model into memory. For operators."
    )
    unload_model: ModelStatusUpdate = strawberry.field(
        resolver=_unload_model, description="Let a model go from memory. For operators."
    )
    pin_model: ModelStatusUpdate = strawberry.field(
        resolver=_pin_model, description="Bring a model into memory, to stay there. For operators."
    )
    unpin_model: strawberry.ID = strawberry.field(
        resolver=_unpin_model, description="Let a model make room for others again. For operators."
    )
    delete_model: strawberry.ID = strawberry.field(
        resolver=_delete_model, description="Delete a model from the store that has it. For operators."
    )
    create_key: IssuedKey = strawberry.field(resolver=create_key, description="Issue a key.")
    update_key: KeyShown = strawberry.field(resolver=update_key, description="Change a key.")
    rotate_key: IssuedKey = strawberry.field(
        resolver=rotate_key,
        description="Give a key a new text. The one until now goes on being good for `overlapSeconds`.",
    )
    revoke_key: KeyShown = strawberry.field(
        resolver=revoke_key, description="Revoke a key and all that were issued with it, for good."
    )
    delete_key: strawberry.ID = strawberry.field(resolver=delete_key, description="Delete a key.")
    set_tier: allowances.Tier = strawberry.field(
        resolver=allowances.set_tier, description="Set a tier, in the place of the one of its name."
    )
    delete_tier: str = strawberry.field(
        resolver=allowances.delete_tier, description="Delete a tier that no key names."
    )
    set_budget: allowances.Budget = strawberry.field(
        resolver=allowances.set_budget, description="Set a budget, in the place of the one of its name."
    )
    delete_budget: str = strawberry.field(resolver=allowances.delete_budget, description="Delete a budget.")
