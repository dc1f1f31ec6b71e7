"""What front-ends say of models and to whom, and which integration has one that is to be fetched or loaded."""

from collections.abc import Container, Mapping, Sequence
from typing import TypeVar

from app.accounts.audit.schemas import Actor
from app.api.context import ApiContext
from app.domain.errors import InvalidRequest, ModelNotFound
from app.domain.models import ModelInfo
from app.domain.ports import ModelFolder, ModelLoader, ModelPinner, ModelRemover, ModelSource, ModelStore
from app.domain.principal import Principal
from app.inference.entry import ModelEntry

Port = TypeVar("Port", bound=ModelSource)

SCHEMES: Mapping[str, str] = {"hf": "huggingface_hub"}
"""What may stand before a colon in a name: the kind of integration that fetches it."""


def visible(context: ApiContext, principal: Principal) -> list[ModelEntry]:
    """Those that he may use."""
    return [entry for entry in context.router.catalog.current.entries() if _sees(context, principal, entry.name)]


def visible_entry(context: ApiContext, principal: Principal, name: str) -> ModelEntry:
    """What `name` means. Raises ModelNotFound, also for one that he may not use."""
    if not _sees(context, principal, name):
        raise ModelNotFound(
            f"The model '{name[:200]}' does not exist. GET /v1/models lists the models that do.",
            code="model_not_found",
            param="model",
        )
    return context.router.catalog.current.entry(name)


def _sees(context: ApiContext, principal: Principal, name: str) -> bool:
    tier = context.admission.tier_of(principal) if context.admission is not None else None
    return principal.may_use(name) and (tier is None or tier.may_use(name))


def owner(context: ApiContext, name: str, port: type[Port]) -> tuple[Port, str]:
    """The serving integration that offers `port` for `name`, and the name it uses itself.

    `integration/model` names it outright; a bare name goes to the one that knows it. Raises ModelNotFound,
    InvalidRequest.
    """
    able = context.manager.providing(port)
    prefix, _, rest = name.partition("/")
    for source in able:
        if source.name == prefix and rest:
            return source, rest
    for source in able:
        if any(model.id == name for model in source.models()):
            return source, name
    names = ", ".join(source.name for source in able)
    if not able:
        raise InvalidRequest(
            "No integration that can do this is serving now; Ollama can, once OLLAMA_BASE_URL names it. "
            "GET /integrations/status tells how each is.",
            param="model",
        )
    raise ModelNotFound(
        f"The model '{name[:200]}' is not known to {names}. Write it as 'integration/model'.",
        code="model_not_found",
        param="model",
    )


Store = TypeVar("Store", ModelStore, ModelRemover)


def store_of(context: ApiContext, name: str, port: type[Store]) -> tuple[Store, str]:
    """As `owner` for a store, which may have models that nobody knows here. `hf:org/name` is the Hub's; a bare
    name goes to the only store that needs no such sign. Raises ModelNotFound, InvalidRequest.
    """
    able = context.manager.providing(port)
    scheme, colon, rest = name.partition(":")
    if colon and scheme in SCHEMES:
        for store in able:
            if _kind(context, store) == SCHEMES[scheme]:
                return store, rest
        raise InvalidRequest(
            f"'{SCHEMES[scheme]}', which fetches '{scheme}:', is not serving. GET /integrations/status tells why.",
            param="model",
        )
    try:
        return owner(context, name, port)
    except ModelNotFound:
        plain = [store for store in able if _kind(context, store) not in SCHEMES.values()]
        if len(plain) == 1:
            return plain[0], name
        raise _unknown(name, [store.name for store in plain], {_kind(context, store) for store in able}) from None


def _unknown(name: str, stores: Sequence[str], kinds: Container[str]) -> ModelNotFound:
    """Whoever has copied a name from the Hub's pages is told how it is written here."""
    shown = name[:200]
    ways = [f"'{scheme}:{shown}'" for scheme, kind in SCHEMES.items() if kind in kinds]
    ways += [f"'{store}/{shown}'" for store in stores]
    return ModelNotFound(
        f"The model '{shown}' is not known here. Write it as {' or '.join(ways)} to say where it is.",
        code="model_not_found",
        param="model",
    )


def _kind(context: ApiContext, source: ModelSource) -> str:
    return context.manager.status_of(source.name).kind


async def load(context: ApiContext, actor: Actor, name: str) -> None:
    """Into memory. Raises what `owner` and the integration raise."""
    loader, own_name = owner(context, name, ModelLoader)
    await loader.load(own_name)
    await context.accounts.audit.record(actor, "model.load", f"model:{loader.name}/{own_name}")


async def unload(context: ApiContext, actor: Actor, name: str) -> None:
    loader, own_name = owner(context, name, ModelLoader)
    await loader.unload(own_name)
    await context.accounts.audit.record(actor, "model.unload", f"model:{loader.name}/{own_name}")


async def pin(context: ApiContext, actor: Actor, name: str) -> None:
    """Into memory, to stay there. Raises what `owner` and the integration raise."""
    keeper, own_name = owner(context, name, ModelPinner)
    await keeper.pin(own_name)
    await context.accounts.audit.record(actor, "model.pin", f"model:{keeper.name}/{own_name}")


async def unpin(context: ApiContext, actor: Actor, name: str) -> None:
    keeper, own_name = owner(context, name, ModelPinner)
    await keeper.unpin(own_name)
    await context.accounts.audit.record(actor, "model.unpin", f"model:{keeper.name}/{own_name}")


async def delete(context: ApiContext, actor: Actor, name: str) -> None:
    store, own_name = store_of(context, name, ModelRemover)
    await store.delete(own_name)
    for folder in context.manager.providing(ModelFolder):
        await folder.rescan()
    await context.accounts.audit.record(actor, "model.delete", f"model:{store.name}/{own_name}")


def model_status(entry: ModelEntry) -> str:
    """loaded; loading; unloaded (its next use loads it); available (memory not seen); unavailable (not served)."""
    return status_of(entry.known) if entry.serving else "unavailable"


def status_of(known: ModelInfo | None) -> str:
    """Of one that is served."""
    if known is None or known.loaded is None:
        return "available"
    return "loaded" if known.loaded else "loading" if known.loading else "unloaded"
