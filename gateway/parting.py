"""A gateway that is about to go answers as before, and ends each connection with its answer."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.drain import Drain

_LAST = (b"connection", b"close")


def parting(app: ASGIApp, drain: Drain) -> ASGIApp:
    """`app`, which tells each client to leave once the drain has begun."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and drain.begun:
                message["headers"] = [*message["headers"], _LAST]
            await send(message)

        await app(scope, receive, tell)

    return serve
