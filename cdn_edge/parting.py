"""An edge that is about to go answers as before, and ends each connection with its answer."""

import asyncio

from cdn_edge.prompt import Prompt
from cdn_edge.rsgi import HTTPProtocol, Scope
from pipeline.drain import Drain

_LAST = ("connection", "close")


class Parting:
    """An application to be served in place of another, which it is until the drain begins."""

    def __init__(self, app: Prompt, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """The server begins to serve."""
        self._app.__rsgi_init__(loop)

    def at_once(self, scope: Scope, proto: HTTPProtocol) -> bool:
        """Answer in whatever thread this is, or say False and do nothing."""
        return self._app.at_once(scope, _Answer(proto, self._drain) if self._drain.begun else proto)

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Answer, in the event loop: the drain may have begun when the answer is there."""
        await self._app.__rsgi__(scope, _Answer(proto, self._drain))


class _Answer:
    """An answer, the last one of its connection if the drain has begun by then."""

    def __init__(self, proto: HTTPProtocol, drain: Drain) -> None:
        self._proto = proto
        self._drain = drain

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self._proto.response_empty(status, self._with_end(headers))

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self._proto.response_bytes(status, self._with_end(headers), body)

    def _with_end(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [*headers, _LAST] if self._drain.begun else headers
