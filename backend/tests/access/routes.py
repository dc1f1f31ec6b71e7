"""Every route of every front-end as the table of access names it, and how to ask each one as somebody."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import grpc
import msgspec
from fastapi import FastAPI
from fastapi.routing import APIRoute
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from starlette.routing import BaseRoute, Route
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.api.graphql.front_end import GraphQLApi
from app.api.graphql.guard import KINDS
from app.api.grpc import generated
from app.api.rest.front_door import FrontDoor
from app.bootstrap import Platform
from tests.graphql.client import dialled
from tests.servers.raw_client import Reply, get, post
from tests.servers.whole_platform import Whole

Headers = Mapping[str, str]

IN, STRANGER, DENIED, UNAVAILABLE = "in", "stranger", "denied", "unavailable"
"""What becomes of somebody who asks. Whoever is let in may still get an error, but another one."""

_BY_STATUS = {401: STRANGER, 403: DENIED, 503: UNAVAILABLE, 529: UNAVAILABLE}
_BY_CODE = {"UNAUTHENTICATED": STRANGER, "PERMISSION_DENIED": DENIED, "UNAVAILABLE": UNAVAILABLE}

GRAPHQL = {
    "Query.models": "{ models { id } }",
    "Query.model": '{ model(id: "echo") { id } }',
    "Query.integrations": "{ integrations { name } }",
    "Query.integration": '{ integration(name: "peer") { name } }',
    "Query.metrics": "{ metrics { active } }",
    "Query.alerts": "{ alerts { id } }",
    "Query.requests": "{ requests { id } }",
    "Query.explain": '{ explain(id: "req-0") { id } }',
    "Query.usage": "{ usage { complete } }",
    "Query.keys": "{ keys { id } }",
    "Query.key": '{ key(id: "0") { id } }',
    "Query.tiers": "{ tiers { name } }",
    "Query.budgets": "{ budgets { name } }",
    "Mutation.setTier": 'mutation { setTier(name: "", input: {}) { name } }',
    "Mutation.deleteTier": 'mutation { deleteTier(name: "nosuch") }',
    "Mutation.setBudget": 'mutation { setBudget(name: "", input: {usd: 1}) { name } }',
    "Mutation.deleteBudget": 'mutation { deleteBudget(name: "nosuch") }',
    "Query.auditLog": "{ auditLog { id } }",
    "Mutation.createKey": 'mutation { createKey(input: {parent: "0"}) { text } }',
    "Mutation.updateKey": 'mutation { updateKey(id: "0", input: {}) { id } }',
    "Mutation.rotateKey": 'mutation { rotateKey(id: "0") { text } }',
    "Mutation.revokeKey": 'mutation { revokeKey(id: "0") { id } }',
    "Mutation.deleteKey": 'mutation { deleteKey(id: "0") }',
    "Mutation.generateText": 'mutation { generateText(model: "echo", prompt: "hi") { text } }',
    "Query.searchModels": "{ searchModels { name } }",
    "Query.modelJobs": "{ modelJobs { id } }",
    "Query.modelJob": '{ modelJob(id: "0") { id } }',
    "Mutation.pullModel": 'mutation { pullModel(id: "none") { id } }',
    "Mutation.cancelModelJob": 'mutation { cancelModelJob(id: "0") { id } }',
    "Subscription.modelJobProgress": 'subscription { modelJobProgress(id: "0") { id } }',
    "Mutation.loadModel": 'mutation { loadModel(id: "none") { id } }',
    "Mutation.unloadModel": 'mutation { unloadModel(id: "none") { id } }',
    "Mutation.pinModel": 'mutation { pinModel(id: "none") { id } }',
    "Mutation.unpinModel": 'mutation { unpinModel(id: "none") }',
    "Mutation.deleteModel": 'mutation { deleteModel(id: "none") }',
    "Subscription.generate": 'subscription { generate(model: "echo", prompt: "hi") { __typename } }',
    "Subscription.modelStatusUpdates": "subscription { modelStatusUpdates { id } }",
    "Subscription.metrics": "subscription { metrics { active } }",
}

_CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
BODIES: Mapping[str, object] = {
    "POST /v1/keys": {"parent": "0"},
    "POST /v1/chat/completions": _CHAT,
    "POST /chat/completions": _CHAT,
    "POST /v1/messages": {**_CHAT, "max_tokens": 9},
    "POST /v1/responses": {"model": "echo", "input": "hi"},
}
_PLACES = {"{model:path}": "echo", "{id}": "0", "{name}": "nobody"}


async def found(platform: Platform) -> set[str]:
    """What there is, told by the front-ends themselves."""
    graphql = [name async for name in _graphql(platform)]
    return {*_rest(platform), *graphql, *(route for route, _ in _grpc()), *_websockets(platform)}


async def ask(whole: Whole, route: str, headers: Headers) -> str:
    kind, _, name = route.partition(" ")
    asking = {"GraphQL": _ask_graphql, "gRPC": _ask_grpc, "WebSocket": _ask_websocket}.get(kind)
    if asking is not None:
        return await asking(whole, name, headers)
    return _BY_STATUS.get((await ask_rest(whole, route, headers)).status, IN)


async def ask_rest(whole: Whole, route: str, headers: Headers, path: str | None = None) -> Reply:
    method, _, template = route.partition(" ")
    path = path or template
    for place, value in _PLACES.items():
        path = path.replace(place, value)
    if method == "GET" or route not in BODIES:
        return await get(whole.port, path, headers, method=method)
    return await post(whole.port, path, BODIES[route], headers)


def _rest(platform: Platform) -> Iterator[str]:
    door = platform.app
    assert isinstance(door, FrontDoor)
    assert isinstance(door.rest, FastAPI)
    for route in _leaves(door.rest.routes):
        yield from (f"{method} {route.path}" for method in (route.methods or {"POST"}) - {"HEAD"})
    yield from (f"POST {path}" for path in door._hot)


def _leaves(routes: Sequence[BaseRoute]) -> Iterator[Route | APIRoute]:
    """FastAPI keeps an included router as one route that holds others."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _leaves(included.routes)
        else:
            assert isinstance(route, Route | APIRoute), f"a route of an unknown kind: {route}"
            yield route


async def _graphql(platform: Platform) -> AsyncIterator[str]:
    front_end = platform.manager.get_integration("graphql")
    assert isinstance(front_end, GraphQLApi)
    types = (await front_end.engine())._schema._schema.type_map
    for kind in KINDS:
        for name in types[kind].fields:  # type: ignore[attr-defined]
            yield f"GraphQL {kind}.{name}"


def _grpc() -> Iterator[tuple[str, Any]]:
    """Each method, and an empty request to it."""
    names = [
        f"{module.name}" for module in iter_modules(generated.__path__, f"{generated.__name__}.llm_platform.v1.")
    ]
    package = import_module(f"{generated.__name__}.llm_platform.v1")
    names = [module.name for module in iter_modules(package.__path__, f"{package.__name__}.")]
    files = [import_module(name) for name in names if name.endswith("_pb2")]
    for file in (*files, health_pb2, reflection_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"gRPC {service.full_name}/{method.name}", getattr(file, method.input_type.name)()


def _websockets(platform: Platform) -> Iterator[str]:
    assert isinstance(platform.app, FrontDoor)
    yield from (f"WebSocket {path}" for path in platform.app._mounts if path != "/graphql")


async def _ask_graphql(whole: Whole, name: str, headers: Headers) -> str:
    query = GRAPHQL[name]
    if not name.startswith("Subscription"):
        reply = await post(whole.port, "/graphql", {"query": query}, headers)
        return _of_errors(reply.json().get("errors"))
    async with dialled(f"ws://127.0.0.1:{whole.port}/graphql", headers=headers) as client:
        try:
            await client.send(type="connection_init")
            assert (await client.receive())["type"] == "connection_ack"
            await client.subscribe(query)
            told = await client.receive()
        except ConnectionClosed as closed:
            return {4403: STRANGER, 1013: UNAVAILABLE}[closed.rcvd.code if closed.rcvd else 0]
        return _of_errors(told["payload"] if told["type"] == "error" else None)


def _of_errors(errors: list[dict[str, Any]] | None) -> str:
    return _BY_CODE.get(errors[0]["extensions"]["code"], IN) if errors else IN


async def _ask_grpc(whole: Whole, name: str, headers: Headers) -> str:
    request = dict(_grpc())[f"gRPC {name}"]
    metadata = [(key.lower(), value) for key, value in headers.items()]
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        call = channel.stream_stream(f"/{name}", request_serializer=type(request).SerializeToString)(
            iter([request]), metadata=metadata
        )
        try:
            await call.read()
        except grpc.aio.AioRpcError as error:
            return _BY_CODE.get(error.code().name, IN)
        finally:
            call.cancel()
    return IN


async def _ask_websocket(whole: Whole, path: str, headers: Headers) -> str:
    first = json.dumps({"message": "hi", "model": "echo"}) if path == "/ws/chat" else None
    try:
        async with connect(f"ws://127.0.0.1:{whole.port}{path}", additional_headers=headers, proxy=None) as socket:
            with suppress(ConnectionClosed):  # it may have been said already that nobody gets in
                if first is not None or not headers:
                    await socket.send(first or json.dumps({"type": "chat"}))
            frame = msgspec.json.decode(await socket.recv())
    except InvalidStatus as error:
        return _BY_STATUS[error.response.status_code]
    return _BY_STATUS.get(frame.get("status"), IN)
