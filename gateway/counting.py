"""Every request is counted as it was answered, by the template of its route and never its path.

Outermost: what is refused before there is a route, as 401, 404 and 405 are, is counted as what its
client got to see.
"""

import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from gateway.answered import Answered
from models.meter import Meter

NOWHERE = "(none)"
"""The route of what belongs to none."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def with_counts(app: ASGIApp, meter: Meter) -> ASGIApp:
    """`app`, whose answers are counted and timed."""
    inside = 0

    def show() -> None:
        meter.show("calotype_gateway_requests_in_flight", value=inside)

    meter.watch(show)

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        seen = Answered(send)
        began = time.perf_counter()
        inside += 1
        try:
            await app(scope, receive, seen.send)
        except Exception:
            seen.broke()
            raise
        finally:
            inside -= 1
            _count(meter, scope, seen, time.perf_counter() - began)

    return counting


def _count(meter: Meter, scope: HTTPScope, seen: Answered, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = str(scope.get("path_template") or NOWHERE)
    labels = (method, route, str(seen.status))
    meter.count("calotype_gateway_requests_total", *labels)
    meter.timed("calotype_gateway_request_seconds", *labels, seconds=seconds)
    meter.count("calotype_gateway_response_bytes_total", by=seen.size)
