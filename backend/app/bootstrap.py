"""The only wiring: which parts there are and how they hang together. Read it from top to bottom."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from app.accounts.accounts import Accounts
from app.accounts.usage.ledger import Ledger
from app.api.context import ApiContext
from app.api.front_end import Drains
from app.api.graphql.app import PATH as GRAPHQL
from app.api.graphql.app import GraphQLApp
from app.api.websocket.app import websocket_endpoints
from app.checks import accepted, needs_restart, problems_with
from app.connecting import Connections, sources
from app.core.data_folder import data_folder
from app.core.integration_framework import (
    IntegrationManager,
    Registry,
    StateChanged,
    set_integration_manager,
)
from app.core.jobs import Jobs
from app.core.jobs.runners import runners
from app.core.redaction import redact
from app.core.siblings import Siblings
from app.domain.errors import InvalidRequest
from app.domain.models import ModelsChanged
from app.domain.ports import SqlDatabase
from app.enabled import FRONT_ENDS, integration_configs
from app.idempotency import once_of
from app.identifying import Authenticators, api_policy, digests
from app.inference.caching.answers import Answers
from app.inference.caching.memory import MemoryCache
from app.inference.call import Call, Stage
from app.inference.catalog import LiveCatalog
from app.inference.explained import Explained, Explainer
from app.inference.recent import RecentCalls
from app.inference.request_log import RequestLog
from app.inference.router import Router
from app.inference.stages.access import check_models
from app.inference.stages.account import Account, Sink
from app.inference.stages.admit import Admit
from app.inference.stages.cache import AnswerCache
from app.inference.stages.deadline import keep_time
from app.inference.stages.guard import Guard
from app.inference.stages.known import answer_known
from app.inference.stages.plugged import PluggedStages
from app.inference.stages.trace import TraceCalls
from app.inference.tally import Tally
from app.integrations.builtin import BUILTIN
from app.limiting import admission, configured
from app.model_names import NameWatch
from app.observing import Observed, show
from app.readiness import StorageStart
from app.recording import ledger_of, recorder
from app.routing import routing
from app.settings import ConfigError, LoadedSettings
from app.settings.explain import changes
from app.settings.redaction import secrets_in, secrets_of

logger = logging.getLogger(__name__)


class Platform:
    """Everything that runs in one process. `app` is its ASGI application."""

    def __init__(
        self,
        load: Callable[[], LoadedSettings],
        first: LoadedSettings | None = None,
        tell_all: Callable[[], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        """`load` reads the settings anew, `first` are those to begin with. Where there are several processes,
        `tell_all` makes every one of them reload, and `folder` is theirs alone. Raises ConfigError.
        """
        # FastAPI takes longer to import than all the rest; who only loads settings, or watches over workers, never
        # needs it.
        from app.api.rest.app import create_rest_app

        self._load = load
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = self._draining = False
        self._drains: list[asyncio.Task[None]] = []
        self._tell_all = tell_all
        self._loaded = accepted(lambda: first or load())
        self.settings = self._began_with = self._loaded.settings
        keep_secret(self._loaded)
        self.manager = IntegrationManager(Registry({**BUILTIN, **FRONT_ENDS}), integration_configs(self.settings))
        self.accounts = Accounts(lambda: self.manager.providing(SqlDatabase), digests(self.settings))
        self.ledger = self._make_ledger()
        tally, recent = Tally(), RecentCalls()
        self._request_log = RequestLog(self.settings.log_format)
        self.admission = admission(self._loaded, self.accounts, self.ledger, self.manager.events.publish)
        self._explained = Explained(self.settings.routing.explained)
        self._siblings = Siblings(folder)
        self._explainer = Explainer(self._explained, self._siblings)
        self._answers = Answers(MemoryCache(self.settings.cache.max_bytes), self.settings.cache.max_answer_bytes)
        self.router = self._make_router(tally, recent)
        self.authenticators = Authenticators(self.accounts)
        self.policy = api_policy(self.authenticators, self.settings)
        folder_of_jobs = (self.settings.data_dir or data_folder()) / "jobs"
        self.jobs = Jobs(runners(self.manager), folder_of_jobs, self.manager.events.publish)
        context = self._make_context(tally, recent)
        self.manager.share(ApiContext, context)
        self.app = create_rest_app(context, {GRAPHQL: GraphQLApp(context), **websocket_endpoints(context)})

    def _make_context(self, tally: Tally, recent: RecentCalls) -> ApiContext:
        return ApiContext(
            router=self.router,
            manager=self.manager,
            policy=lambda: self.policy,
            ready=lambda: self._started and not self._draining and self._storage.over(),
            reload=self._reload_for_callers,
            explain=self._explainer,
            tally=tally,
            recent=recent,
            once=once_of(lambda: self.settings, self.manager),
            accounts=self.accounts,
            ledger=self.ledger,
            admission=self.admission,
            jobs=self.jobs,
        )

    def _make_router(self, tally: Tally, recent: RecentCalls) -> Router:
        catalog = LiveCatalog(lambda: sources(self.manager), routing(self.settings))
        sinks: list[Sink] = [self._request_log, tally.ended, recent, self._explained]
        if self.ledger is not None:
            sinks.append(recorder(self.ledger, lambda name: catalog.current.lists(name)))
        account, traces, plugged = Account(sinks, [tally.began]), TraceCalls(), PluggedStages()
        admit = Admit(self.admission, lambda: self.settings.limits.output_tokens, catalog)
        show(
            self.manager,
            self._siblings,
            Observed(catalog, tally, self.admission, lambda: self.authenticators.refusals, self.ledger),
        )
        cache = AnswerCache(catalog, self._answers)
        self._connections = Connections(self.manager, account, traces, plugged, self.admission, self._answers)
        entry: list[Stage[Call]] = [account, traces, check_models, admit, answer_known]
        stages = [*entry, plugged, cache, Guard(catalog)]
        return Router(catalog, call_stages=stages, attempt_stages=[keep_time])

    def _make_ledger(self) -> Ledger | None:
        """None where nothing is to be kept, or there is no database for it."""
        databases = [each for each in integration_configs(self.settings) if each.effective_kind == "database"]
        if not self.settings.usage.enabled or not any(each.enabled for each in databases):
            return None
        return ledger_of(lambda: self.settings, self.accounts.store)

    async def start(self) -> None:
        """Returns when every integration has settled, or is left to start in the background."""
        self.manager.events.subscribe(StateChanged, lambda _: self.router.catalog.rebuild())
        self.manager.events.subscribe(StateChanged, lambda _: self._connections.find(self.settings))
        self.manager.events.subscribe(ModelsChanged, lambda _: self.router.catalog.rebuild())
        set_integration_manager(self.manager)
        await self._siblings.listen()
        self._storage = StorageStart(self.manager)
        await self.manager.start(grace=self.settings.server.start_seconds)
        await self.accounts.start()
        self.admission.start()
        if self.ledger is not None:
            self.ledger.start()
        await self.jobs.begin()
        self._started = True
        self.router.catalog.watch(NameWatch(self.router.catalog, lambda: self._loaded).look)
        self.router.catalog.rebuild()  # whoever watches it hears with it that the platform is ready
        if not self._storage.over():
            self.background(self._storage.at_the_latest(self.router.catalog.rebuild))

    @property
    def configured_by(self) -> str:
        """For people: the file that was read, if any."""
        return (
            str(self._loaded.file)
            if self._loaded.file
            else "the environment and the command line; there is no file"
        )

    @property
    def key_is_in_environment(self) -> bool:
        return self._loaded.origin("server.api_key").where == "LLM_PLATFORM_API_KEY"

    def drain(self) -> None:
        """From now on unready; requests under way go on, `shutdown_seconds` at most."""
        if self._draining:
            return
        self._draining = True
        self.jobs.end_watches()
        seconds = self.settings.server.shutdown_seconds
        self._drains = [
            asyncio.ensure_future(front_end.drain(seconds)) for front_end in self.manager.providing(Drains)
        ]

    def hurry(self) -> None:
        """Wait no longer for the requests under way."""
        for task in self._drains:
            task.cancel()

    async def stop(self) -> None:
        self.drain()
        for outcome in await asyncio.gather(*self._drains, return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.error("a front-end did not drain", exc_info=outcome)
        for task in self._tasks:
            task.cancel()
        await self.jobs.stop()
        await self.admission.stop()
        await self.accounts.stop()
        if self.ledger is not None:
            await self.ledger.stop()
        await self.manager.stop()
        if self.ledger is not None:
            self.ledger.close()
        await self._siblings.close()
        self._request_log.flush()
        set_integration_manager(None)

    async def reload(self) -> Mapping[str, object]:
        """Read the configuration again and swap it in whole. Raises ConfigError, and then nothing has changed."""
        loaded = await self._checked()
        settings, routes = loaded.settings, routing(loaded.settings)
        changed = changes(self._loaded, loaded)

        for warning in loaded.warnings:
            if warning not in self._loaded.warnings:
                logger.warning("%s", warning)

        keep_secret(loaded)

        def switch() -> None:
            self._loaded, self.settings = loaded, settings
            self.policy = api_policy(self.authenticators, settings)
            self.accounts.allowances.serve(self.admission, configured(loaded))
            logging.getLogger().setLevel(settings.log_level.upper())
            self.router.catalog.rebuild(routes)
            self._explained.keep(settings.routing.explained)
            self._connections.find(settings)

        drain = max(routes.longest, self.router.catalog.routing.longest)
        summary = await self.manager.reconfigure(integration_configs(settings), drain=drain, switch=switch)
        logger.info(
            "the configuration was reloaded; integrations: %d added, %d changed, %d removed, %d refused",
            len(summary.added),
            len(summary.changed),
            len(summary.removed),
            len(summary.refused),
        )
        for name, reason in summary.refused.items():
            logger.warning(
                "'%s' goes on with its old configuration, as the new one did not come up: %s", name, reason
            )
        return {
            "integrations": msgspec.to_builtins(summary),
            "settings": changed,
            "needs_restart": needs_restart(settings, self._began_with),
        }

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to its end, or until the platform stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload_for_callers(self) -> Mapping[str, object]:
        try:
            if self._tell_all is None:
                return await self.reload()
            changed = changes(self._loaded, await self._checked())
        except ConfigError as error:
            raise InvalidRequest(f"The configuration was refused and the old one stays.\n{error}") from None
        self._tell_all()
        return {"status": "every worker reloads; GET /integrations/status shows this one's", "settings": changed}

    async def _checked(self) -> LoadedSettings:
        """The settings as they stand now, checked as `config check` does. Raises ConfigError."""
        loaded = accepted(self._load, self._began_with.server.host)
        if problems := await problems_with(loaded, self._loaded):
            raise ConfigError(problems)
        return loaded


def keep_secret(loaded: LoadedSettings) -> None:
    """What is secret in the settings and in the environment is written nowhere from now on."""
    secrets = secrets_in(loaded.settings, secrets=loaded.layer.secrets)
    redact.learn((*secrets, *secrets_of(os.environ)))
