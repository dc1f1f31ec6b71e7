"""Which right each route of each front-end needs: one table. What is not in it is nobody's.

A route is named by its template, never by the URL of a request. What each role may do: app/domain/roles.py. A test
holds every route that the front-ends have against the table.
"""

from collections.abc import Mapping

from app.api.closed import fails_closed
from app.domain.errors import PermissionDenied
from app.domain.principal import Principal
from app.domain.roles import RIGHTS, ROLES, Right

PUBLIC = None
"""In the table: for everybody, also without a key."""

_GRPC = "gRPC llm_platform.v1"

ROUTES: Mapping[str, Right | None] = {
    **dict.fromkeys(
        [f"GET {path}" for path in ("/v1/health", "/health", "/healthz", "/v1/health/ready", "/health/ready")],
        PUBLIC,
    ),
    "GET /readyz": PUBLIC,
    "GET /health/liveliness": PUBLIC,
    "GET /health/liveness": PUBLIC,
    "GET /health/readiness": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /docs/oauth2-redirect": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "gRPC grpc.health.v1.Health/Check": PUBLIC,
    "gRPC grpc.health.v1.Health/Watch": PUBLIC,
    "gRPC grpc.health.v1.Health/List": PUBLIC,
    # Models, and asking them.
    "GET /v1/models": Right.SEE_MODELS,
    "GET /v1/models/{model:path}": Right.SEE_MODELS,
    "GET /models": Right.SEE_MODELS,
    "GraphQL Query.models": Right.SEE_MODELS,
    "GraphQL Query.model": Right.SEE_MODELS,
    "GraphQL Subscription.modelStatusUpdates": Right.SEE_MODELS,
    f"{_GRPC}.Models/ListModels": Right.SEE_MODELS,
    f"{_GRPC}.Models/WatchModels": Right.SEE_MODELS,
    "gRPC grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Right.SEE_MODELS,
    "WebSocket /ws/models": Right.SEE_MODELS,
    "POST /v1/chat/completions": Right.ASK,
    "POST /v1/completions": Right.ASK,
    "POST /v1/embeddings": Right.ASK,
    "POST /chat/completions": Right.ASK,
    "POST /completions": Right.ASK,
    "POST /embeddings": Right.ASK,
    "POST /v1/rerank": Right.ASK,
    "POST /v2/rerank": Right.ASK,
    "POST /rerank": Right.ASK,
    "POST /v1/messages": Right.ASK,
    "POST /v1/messages/count_tokens": Right.ASK,
    "POST /tokenize": Right.ASK,
    "POST /detokenize": Right.ASK,
    "POST /v1/responses": Right.ASK,
    "POST /v1/responses/input_tokens": Right.ASK,
    "GET /v1/responses/{id}": Right.ASK,
    "DELETE /v1/responses/{id}": Right.ASK,
    "GET /v1/responses/{id}/input_items": Right.ASK,
    "GraphQL Mutation.generateText": Right.ASK,
    "GraphQL Subscription.generate": Right.ASK,
    "GET /v1/requests/{id}/explain": Right.ASK,
    "GraphQL Query.requests": Right.ASK,
    "GET /v1/usage": Right.ASK,
    "GraphQL Query.usage": Right.ASK,
    "GraphQL Query.explain": Right.ASK,
    f"{_GRPC}.Inference/Chat": Right.ASK,
    f"{_GRPC}.Inference/ChatUnary": Right.ASK,
    f"{_GRPC}.Inference/Embed": Right.ASK,
    "WebSocket /ws/chat": Right.ASK,
    # The platform itself.
    "GET /integrations/status": Right.SEE_PLATFORM,
    "GET /integrations/health": Right.SEE_PLATFORM,
    "GET /integrations/{name}/status": Right.SEE_PLATFORM,
    "GET /alerts": Right.SEE_PLATFORM,
    "GET /alerts/silences": Right.SEE_PLATFORM,
    "GraphQL Query.alerts": Right.SEE_PLATFORM,
    "POST /alerts/silences": Right.RUN_PLATFORM,
    "DELETE /alerts/silences/{id}": Right.RUN_PLATFORM,
    "GET /metrics": Right.SEE_METRICS,
    "GraphQL Query.integrations": Right.SEE_PLATFORM,
    "GraphQL Query.integration": Right.SEE_PLATFORM,
    "GraphQL Query.metrics": Right.SEE_PLATFORM,
    "GraphQL Subscription.metrics": Right.SEE_PLATFORM,
    f"{_GRPC}.Metrics/GetMetrics": Right.SEE_PLATFORM,
    "WebSocket /ws/metrics": Right.SEE_PLATFORM,
    "POST /integrations/{name}/restart": Right.RUN_PLATFORM,
    "GET /models/jobs": Right.SEE_PLATFORM,
    "GET /models/jobs/{id}": Right.SEE_PLATFORM,
    "GraphQL Query.modelJobs": Right.SEE_PLATFORM,
    "GraphQL Query.modelJob": Right.SEE_PLATFORM,
    "GraphQL Subscription.modelJobProgress": Right.SEE_PLATFORM,
    f"{_GRPC}.Models/ListJobs": Right.SEE_PLATFORM,
    "GET /models/search": Right.RUN_PLATFORM,
    "GraphQL Query.searchModels": Right.RUN_PLATFORM,
    "POST /models/pull": Right.RUN_PLATFORM,
    "DELETE /models/jobs/{id}": Right.RUN_PLATFORM,
    "POST /models/load": Right.RUN_PLATFORM,
    "POST /models/unload": Right.RUN_PLATFORM,
    "POST /models/pin": Right.RUN_PLATFORM,
    "POST /models/unpin": Right.RUN_PLATFORM,
    "DELETE /models/{model:path}": Right.RUN_PLATFORM,
    "POST /admin/reload": Right.RUN_PLATFORM,
    # Keys, and what was done. Which keys somebody sees and changes is for app.accounts.keys to say.
    "POST /v1/keys": Right.ISSUE_KEYS,
    "GET /v1/keys": Right.ISSUE_KEYS,
    "GET /v1/keys/{id}": Right.ISSUE_KEYS,
    "PATCH /v1/keys/{id}": Right.ISSUE_KEYS,
    "POST /v1/keys/{id}/rotate": Right.ISSUE_KEYS,
    "POST /v1/keys/{id}/revoke": Right.ISSUE_KEYS,
    "DELETE /v1/keys/{id}": Right.ISSUE_KEYS,
    # Which tiers and budgets somebody is told of is for app.api.tiers and app.api.budgets to say.
    "GET /v1/tiers": Right.ASK,
    "GET /v1/tiers/{name}": Right.ASK,
    "PUT /v1/tiers/{name}": Right.SET_LIMITS,
    "DELETE /v1/tiers/{name}": Right.SET_LIMITS,
    "GET /v1/budgets": Right.ASK,
    "GET /v1/budgets/{name}": Right.ASK,
    "PUT /v1/budgets/{name}": Right.SET_LIMITS,
    "DELETE /v1/budgets/{name}": Right.SET_LIMITS,
    "GraphQL Query.tiers": Right.ASK,
    "GraphQL Query.budgets": Right.ASK,
    "GraphQL Mutation.setTier": Right.SET_LIMITS,
    "GraphQL Mutation.deleteTier": Right.SET_LIMITS,
    "GraphQL Mutation.setBudget": Right.SET_LIMITS,
    "GraphQL Mutation.deleteBudget": Right.SET_LIMITS,
    "GET /v1/audit": Right.AUDIT,
    "GET /v1/audit/export": Right.AUDIT,
    "GraphQL Query.keys": Right.ISSUE_KEYS,
    "GraphQL Query.key": Right.ISSUE_KEYS,
    "GraphQL Mutation.createKey": Right.ISSUE_KEYS,
    "GraphQL Mutation.updateKey": Right.ISSUE_KEYS,
    "GraphQL Mutation.rotateKey": Right.ISSUE_KEYS,
    "GraphQL Mutation.revokeKey": Right.ISSUE_KEYS,
    "GraphQL Mutation.deleteKey": Right.ISSUE_KEYS,
    "GraphQL Query.auditLog": Right.AUDIT,
    "GraphQL Mutation.loadModel": Right.RUN_PLATFORM,
    "GraphQL Mutation.unloadModel": Right.RUN_PLATFORM,
    "GraphQL Mutation.pinModel": Right.RUN_PLATFORM,
    "GraphQL Mutation.unpinModel": Right.RUN_PLATFORM,
    "GraphQL Mutation.deleteModel": Right.RUN_PLATFORM,
    "GraphQL Mutation.pullModel": Right.RUN_PLATFORM,
    "GraphQL Mutation.cancelModelJob": Right.RUN_PLATFORM,
    f"{_GRPC}.Models/PullModel": Right.RUN_PLATFORM,
    f"{_GRPC}.Models/CancelJob": Right.RUN_PLATFORM,
    f"{_GRPC}.Models/LoadModel": Right.RUN_PLATFORM,
    f"{_GRPC}.Models/UnloadModel": Right.RUN_PLATFORM,
    f"{_GRPC}.Models/PinModel": Right.RUN_PLATFORM,
    f"{_GRPC}.Models/UnpinModel": Right.RUN_PLATFORM,
    f"{_GRPC}.Models/DeleteModel": Right.RUN_PLATFORM,
}


def is_public(route: str) -> bool:
    return ROUTES.get(route, Right.AUDIT) is PUBLIC


@fails_closed
def check_access(principal: Principal, route: str) -> None:
    """Raises PermissionDenied, for a route that is not in the table whoever asks."""
    right = ROUTES.get(route)
    if right is None or not principal.may(right):
        having = [role for role in ROLES if right in RIGHTS[role]]
        who = f"the role {' or '.join(having)}" if having else "a role that nobody has"
        raise PermissionDenied(f"This needs {who}.", code="role_missing")
