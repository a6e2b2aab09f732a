"""How an operation can fail: its causes by status, with the body that each is answered with."""

from collections.abc import Sequence

from gateway.openapi.words import Json, exactly, example, ref, several, text
from gateway.photo_views import failure_body
from models.errors import (
    AnswerLost,
    BadRequest,
    InvalidFields,
    KeyReused,
    MissingPermission,
    Overloaded,
    Problem,
    RequestTimeout,
    ServiceError,
    StillRunning,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnknownToken,
)

Cause = type[ServiceError]

ALWAYS: tuple[Cause, ...] = (ServiceError, Unavailable)
WITH_KEY: tuple[Cause, ...] = (Unauthorized, MissingPermission, TooManyRequests)
WITH_TOKEN: tuple[Cause, ...] = (UnknownToken, MissingPermission, TooManyRequests)
WITH_BODY: tuple[Cause, ...] = (BadRequest, InvalidFields, RequestTimeout, TooLarge, Overloaded)
REPEATED: tuple[Cause, ...] = (StillRunning, AnswerLost, KeyReused)

RATE_HEADERS = (
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "RateLimit-Policy",
    "RateLimit",
)
REQUEST_ID = "9f2c41d2a6b64b7c8b7cbb4fa1b0c9de"

_RETRIED = (429, 503)
_UNKNOWN_KEY = 401


def shapes() -> dict[str, Json]:
    """The body of every error."""
    problem = exactly(
        "What is wrong with one field.",
        field=text("The field's path, as it was sent.", examples=["resizeOptions[1].width"]),
        problem=text("What is wrong with it, as the end of a sentence that begins with the path."),
    )
    error = exactly(
        "What went wrong. `error` and `message` are the same sentence; `code` never changes.",
        error=text("A sentence for people."),
        message=text("The same sentence."),
        code=text("What happened, for programs.", pattern="^[a-z]+(-[a-z]+)*$"),
        details=several(ref("Problem"), "Every field that is wrong; empty for other errors."),
        requestId=text("The request's id, as in the X-Request-Id header."),
    )
    return {"Problem": problem, "Error": error}


def answers_of(causes: Sequence[Cause], *, photos: bool = False) -> dict[str, Json]:
    """The responses of an operation that can fail in these ways, by status."""
    by_status: dict[int, list[Cause]] = {}
    for cause in dict.fromkeys(causes):
        by_status.setdefault(cause.status, []).append(cause)
    say = _photo_answer if photos else _answer
    return {str(status): say(status, by_status[status]) for status in sorted(by_status)}


def _photo_answer(status: int, causes: list[Cause]) -> Json:
    """The same in the photo API's envelope, which has no codes to point to."""
    said = [_made(cause) for cause in causes]
    examples = {one.code(): example(one.sentence, failure_body(one)) for one in said}
    return {
        "description": " Or: ".join(one.sentence for one in said),
        "headers": _headers(status, causes),
        "content": {"application/json": {"schema": ref("PhotoError"), "examples": examples}},
    }


def _answer(status: int, causes: list[Cause]) -> Json:
    sentences = " Or: ".join(_body(cause)["error"] for cause in causes)
    examples = {cause.code(): ref(cause.code(), "examples") for cause in causes}
    return {
        "description": sentences,
        "headers": _headers(status, causes),
        "content": {"application/json": {"schema": ref("Error"), "examples": examples}},
    }


def _headers(status: int, causes: list[Cause]) -> Json:
    names = ["X-Request-Id"]
    if TooManyRequests in causes:
        names += RATE_HEADERS
    if status in _RETRIED or any(_made(cause).retry_after for cause in causes):
        names.append("Retry-After")
    if status == _UNKNOWN_KEY:
        names.append("WWW-Authenticate")
    return {name: ref(name, "headers") for name in names}


def examples_of(causes: Sequence[Cause]) -> dict[str, Json]:
    """The body of each of these causes, by its code."""
    return {
        cause.code(): example(_body(cause)["error"], _body(cause))
        for cause in dict.fromkeys(causes)
    }


def _body(cause: Cause) -> Json:
    error = _made(cause)
    return {
        "error": error.sentence,
        "message": error.sentence,
        "code": error.code(),
        "details": [{"field": one.field, "problem": one.problem} for one in error.problems],
        "requestId": REQUEST_ID,
    }


def _made(cause: Cause) -> ServiceError:
    if issubclass(cause, InvalidFields):
        problem = "must be an integer between 1 and 100000000, not 0"
        return cause([Problem(field="resizeOptions[1].width", problem=problem)])
    if issubclass(cause, MissingPermission):
        return cause("images-create")
    return cause()
