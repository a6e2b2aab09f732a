"""When an answer ends its connection, and says so."""

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.drain import Drain

_LAST = (b"connection", b"close")


def parting(app: ASGIApp, drain: Drain) -> ASGIApp:
    """`app`, which tells each client to leave once the drain has begun.

    Or when it is answered before its body was read: the server closes such a connection, and who
    was not told would send the next request there.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        unread = _has_body(scope)

        async def hear() -> Any:  # noqa: ANN401 as it came
            nonlocal unread
            message: Any = await receive()
            unread = unread and bool(message.get("more_body"))
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and (unread or drain.begun):
                message["headers"] = [*message["headers"], _LAST]
            await send(message)

        await app(scope, hear, tell)

    return serve


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
