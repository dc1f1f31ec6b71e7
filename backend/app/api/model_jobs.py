"""Jobs with models as front-ends start and stop them. Who asks for what is in the audit log."""

from app.accounts.audit.schemas import Actor
from app.api.context import ApiContext
from app.api.models import owner, store_of
from app.core.jobs import Job
from app.domain.ports import ModelLoader, ModelStore, NameChecker


async def pull(context: ApiContext, actor: Actor, name: str) -> Job:
    """Fetch a model; the job has just begun. Raises ModelNotFound, InvalidRequest."""
    store, model = store_of(context, name, ModelStore)
    if isinstance(store, NameChecker):
        store.check_name(model)
    job = await context.jobs.start("pull", store.name, model, actor.principal.id)
    after = {"job": job.id}
    await context.accounts.audit.record(actor, "model.pull", f"model:{store.name}/{model}", after=after)
    return job


async def begin_load(context: ApiContext, actor: Actor, name: str) -> Job:
    """Bring a model into memory; the job has just begun. Raises ModelNotFound, InvalidRequest."""
    loader, model = owner(context, name, ModelLoader)
    job = await context.jobs.start("load", loader.name, model, actor.principal.id)
    after = {"job": job.id}
    await context.accounts.audit.record(actor, "model.load", f"model:{loader.name}/{model}", after=after)
    return job


async def cancel(context: ApiContext, actor: Actor, id: str) -> Job:
    """The job once it is over. Raises NotFound, Conflict."""
    job = await context.jobs.cancel(id)
    await context.accounts.audit.record(actor, "job.cancel", f"job:{job.id}")
    return job
