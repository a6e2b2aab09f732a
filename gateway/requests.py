"""Every request has an id, and its answer says it."""

import re
from uuid import uuid4

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._-]{8,64}")


def with_request_id(app: ASGIApp) -> ASGIApp:
    """`app`, with a request id in its scope's state and in its answer's headers.

    A caller's own X-Request-Id is taken over when it is harmless in logs and headers.
    """

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        request_id = _given(scope) or uuid4().hex.encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = scope["state"].get("headers", [])
                named = (b"x-request-id", request_id)
                message["headers"] = [*message["headers"], named, *more]
            await send(message)

        await app(scope, receive, send_named)

    return identified


def add_header(scope: Scope, name: str, value: str) -> None:
    """Put a header on whatever this request will be answered, also when it is an error."""
    scope["state"].setdefault("headers", []).append((name.encode(), value.encode()))


def _given(scope: Scope) -> bytes | None:
    given = dict(scope["headers"]).get(b"x-request-id", b"")
    return given if _ACCEPTABLE.fullmatch(given) else None
