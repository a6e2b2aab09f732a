"""Every answer of the API as a span and, if wanted, as a line in the log.

Without addresses of people and without queries: neither is needed to find a slow or broken route.
"""

import time

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.answered import Answered
from models.traces import continued, span

log = structlog.get_logger(__name__)

_UNSEEN = ("/healthz",)


def with_access(app: ASGIApp, *, logged: bool) -> ASGIApp:
    """`app`, seen from outside."""

    async def seen(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"] in _UNSEEN:
            await app(scope, receive, send)
            return
        began, answer = time.perf_counter(), Answered(send)
        with continued(_headers(scope)), span("http", method=scope["method"]) as request:
            try:
                await app(scope, receive, answer.send)
            except Exception:
                answer.broke()
                raise
            finally:
                request.note(route=_route(scope), status=answer.status)
                if logged:
                    _tell(scope["method"], scope, answer, time.perf_counter() - began)

    return seen


def _tell(method: str, scope: Scope, answer: Answered, seconds: float) -> None:
    log.info(
        "answered",
        method=method,
        path=scope["path"][:200],
        status=answer.status,
        size=answer.size,
        seconds=round(seconds, 4),
    )


def _route(scope: Scope) -> str:
    return str(scope.get("path_template", ""))


def _headers(scope: Scope) -> dict[str, str]:
    """The trace context that the client sent along."""
    wanted = (b"traceparent", b"tracestate")
    return {k.decode(): v.decode("latin-1") for k, v in scope["headers"] if k in wanted}
