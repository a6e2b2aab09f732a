"""Errors in the voice of the API that was asked: one body for all, no trace of our insides."""

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from gateway.photo_views import photo_failure
from gateway.voices import is_about_photos
from models.errors import (
    BadRequest,
    InvalidFields,
    MethodNotAllowed,
    NotFound,
    Problem,
    RequestTimeout,
    ServiceError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)

log = structlog.get_logger(__name__)

AnyRequest = Request[Any, Any, Any]

_BY_STATUS: dict[int, type[ServiceError]] = {
    kind.status: kind
    for kind in (
        BadRequest,
        Unauthorized,
        NotFound,
        MethodNotAllowed,
        RequestTimeout,
        TooLarge,
        TooManyRequests,
        Unavailable,
    )
}


def answer_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """The answer to any exception; what we did not foresee is logged and told as a 500."""
    known = _known(request, error)
    if is_about_photos(request):
        return photo_failure(known, _headers(known))
    body = {
        "error": known.sentence,
        "message": known.sentence,
        "code": known.code(),
        "details": [msgspec.to_builtins(problem) for problem in known.problems],
        "requestId": request.scope["state"].get("request_id", ""),
    }
    return Response(body, status_code=known.status, headers=_headers(known))


def _known(request: AnyRequest, error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        return InvalidFields([_problem(one) for one in error.extra] or [_problem({})])
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _BY_STATUS.get(error.status_code, BadRequest)()
    log.error("unexpected failure", path=request.scope["path"], exc_info=error)
    return ServiceError()


def _problem(one: object) -> Problem:
    """What Litestar found wrong with a parameter or a field of a JSON body."""
    known = one if isinstance(one, dict) else {}
    return Problem(field=str(known.get("key", "")), problem=str(known.get("message", "invalid")))


def _headers(error: ServiceError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return headers
