"""What an answer comes to, seen by who stands before `send`."""

from http import HTTPStatus

from litestar.types import Message, Send

LEFT = 499
"""The status of a client who left before there was an answer; nginx's number for it."""


class Answered:
    """Passes an answer on: which status it had, and how many bytes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = LEFT
        self.size = 0

    def broke(self) -> None:
        """Nobody answers any more: the server says 500 where nothing was said."""
        if self.status == LEFT:
            self.status = HTTPStatus.INTERNAL_SERVER_ERROR.value

    async def send(self, message: Message) -> None:
        """Pass it on, and look."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)
