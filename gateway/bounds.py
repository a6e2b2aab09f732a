"""Bounds for bodies: small and here in time, and whoever leaves half-way is named.

Forms may be large: `gateway.form` has bounds of its own for them.
"""

import asyncio

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send

from models.errors import ClientGone, RequestTimeout, TooLarge
from models.settings import Settings

LARGEST_BODY = 1_000_000


def with_bounds(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app`, to which RequestTimeout, TooLarge or ClientGone happens when it reads a body."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            body = _Body(receive)
            receive = body.receive if _is_form(scope) else _Small(body, settings).receive
        await app(scope, receive, send)

    return bounded


def _is_form(scope: Scope) -> bool:
    kind = dict(scope["headers"]).get(b"content-type", b"")
    return kind.lower().startswith(b"multipart/")


class _Body:
    """Stands before `receive`: until the body is whole, its sender must stay."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.whole = False

    async def receive(self) -> ReceiveMessage:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.whole:
            raise ClientGone
        if message["type"] == "http.request":
            self.whole = not message.get("more_body", False)
        return message


class _Small:
    """Stands before a body that is no form, until it is whole."""

    def __init__(self, body: _Body, settings: Settings) -> None:
        self._body = body
        self._silence = settings.read_seconds
        self._deadline = asyncio.get_running_loop().time() + settings.body_seconds
        self._size = 0

    async def receive(self) -> ReceiveMessage:
        if self._body.whole:
            return await self._body.receive()
        try:
            async with asyncio.timeout(self._left()):
                message = await self._body.receive()
        except TimeoutError:
            raise RequestTimeout from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
        if self._size > LARGEST_BODY:
            raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
        return message

    def _left(self) -> float:
        return min(self._silence, self._deadline - asyncio.get_running_loop().time())
