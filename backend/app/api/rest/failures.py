"""Whatever goes wrong in a FastAPI route leaves as an error body, never as a traceback.

The body is the OpenAI dialect's, or the Anthropic dialect's for who speaks it.
"""

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.asgi import error_headers
from app.api.rest.anthropic.answers import VERSION, error_response
from app.api.rest.anthropic.dialect import PATH as MESSAGES_PATH
from app.domain.errors import InternalError, InvalidRequest, NotFound, PlatformError
from app.wire.openai_chat import errors

logger = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    app.add_exception_handler(PlatformError, _platform_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _defect)


async def _platform_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatformError)
    return _response(request, error)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in {"body", "query", "path"})
    words = first["msg"].replace("Input should be", "must be", 1).partition(", unable to parse")[0]
    subject = f"'{field}'" if field else "The request"
    message = f"{subject} {words}." if words.startswith("must") else f"{subject}: {words}."
    return _response(request, InvalidRequest(message, param=field or None, code="invalid_type"))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        message = (
            f"Unknown request URL: {request.method} {request.scope['path'][:200]}. /docs lists what there is."
        )
        return _response(request, NotFound(message, code="unknown_url"))
    if error.status_code == 405:
        refusal = InvalidRequest(f"{request.method} is not allowed for this URL.", code="method_not_allowed")
    else:
        refusal = InvalidRequest("The request can't be read.")
    response = _response(request, refusal)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


async def _defect(request: Request, error: Exception) -> Response:
    id = request.headers.get("x-request-id", "")
    logger.error("request %s: defect in %s %s", id, request.method, request.scope["path"], exc_info=error)
    message = "The platform failed unexpectedly; its log tells more under this request id."
    return _response(request, InternalError(message))


def _response(request: Request, error: PlatformError) -> Response:
    if VERSION in request.headers or request.scope["path"].startswith(MESSAGES_PATH):
        return error_response(error, request.headers)
    status, body = errors.encode(error)
    headers = {name.decode(): value.decode() for name, value in error_headers(error)}
    return Response(body, status, headers, media_type="application/json")
