"""Every request has an id, and its answer says it."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from models.trail import named, on_behalf


def with_request_id(app: ASGIApp) -> ASGIApp:
    """`app`, with a request id in its scope's state and in its answer's headers.

    A caller's own X-Request-Id is taken over when it is harmless in logs and headers.
    """

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        request_id = named(_given(scope))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = scope["state"].get("headers", [])
                named = (b"x-request-id", request_id.encode())
                message["headers"] = [*message["headers"], named, *more]
            await send(message)

        with on_behalf(request_id):
            await app(scope, receive, send_named)

    return identified


def add_header(scope: Scope, name: str, value: str) -> None:
    """Put a header on whatever this request will be answered, also when it is an error."""
    scope["state"].setdefault("headers", []).append((name.encode(), value.encode()))


def _given(scope: Scope) -> str:
    return dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
