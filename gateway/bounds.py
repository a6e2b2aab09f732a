"""Bounds for bodies that are no forms: small, and here in time. Forms have bounds of their own."""

import asyncio

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send

from models.errors import RequestTimeout, TooLarge
from models.settings import Settings

LARGEST_BODY = 1_000_000


def with_bounds(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app`, to which RequestTimeout or TooLarge happens when it reads a body that is neither."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and not _is_form(scope):
            receive = _Bounded(receive, settings).receive
        await app(scope, receive, send)

    return bounded


def _is_form(scope: Scope) -> bool:
    kind = dict(scope["headers"]).get(b"content-type", b"")
    return kind.lower().startswith(b"multipart/")


class _Bounded:
    """Stands before `receive` until the body is there; who leaves later may take their time."""

    def __init__(self, receive: Receive, settings: Settings) -> None:
        self._receive = receive
        self._silence = settings.read_seconds
        self._deadline = asyncio.get_running_loop().time() + settings.body_seconds
        self._size = 0
        self._whole = False

    async def receive(self) -> ReceiveMessage:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(self._left()):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeout from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        if self._size > LARGEST_BODY:
            raise TooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
        return message

    def _left(self) -> float:
        return min(self._silence, self._deadline - asyncio.get_running_loop().time())
