"""An answer that comes before its request was read ends the connection, and says so."""

from typing import Any

import pytest

from gateway.parting import parting
from pipeline.drain import Drain


@pytest.mark.parametrize(
    ("header", "chunks", "reads", "closes"),
    [
        ((b"content-length", b"2"), 1, 0, True),
        ((b"content-length", b"2"), 2, 1, True),
        ((b"content-length", b"2"), 2, 2, False),
        ((b"transfer-encoding", b"chunked"), 1, 0, True),
        ((b"transfer-encoding", b"chunked"), 1, 1, False),
        ((b"content-length", b"0"), 1, 0, False),
        ((b"accept", b"*/*"), 1, 0, False),
    ],
)
async def test_who_is_answered_early_is_told_that_the_connection_ends(
    header: tuple[bytes, bytes], chunks: int, reads: int, *, closes: bool
) -> None:
    sent: list[Any] = []
    left = chunks

    async def receive() -> Any:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": b"x", "more_body": left > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(_scope: Any, hear: Any, tell: Any) -> None:
        for _ in range(reads):
            await hear()
        await tell({"type": "http.response.start", "status": 409, "headers": []})

    scope: Any = {"type": "http", "headers": [header]}
    await parting(app, Drain(8))(scope, receive, send)
    assert ((b"connection", b"close") in sent[0]["headers"]) is closes
