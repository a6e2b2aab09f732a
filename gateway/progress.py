"""How an order comes along, as server-sent events.

Accepted, generating where a model is asked, rendering, then done or failed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec
from litestar import Router, get
from litestar.response import Stream

from gateway.orders_api import own_order, standing
from gateway.submit import look
from gateway.views import order_view
from models.accounts import Caller
from models.errors import Overloaded
from models.events import Generating, OrderFinished, Rendering, outcome_subject, progress_subject
from models.records import Order
from pipeline.services import Services

# The bus may have lost the outcome; the database has not.
_LOOK_SECONDS = 3.0
_LOOKS_PER_PING = 5

_read = msgspec.json.Decoder(Generating | OrderFinished | Rendering).decode


class Streams:
    """A bounded number of streams at the same time; the next one is told to come back."""

    def __init__(self, most: int) -> None:
        self._free = most

    def refuse_when_full(self) -> None:
        """Raise Overloaded when there is no room."""
        if self._free <= 0:
            raise Overloaded

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Be one of them while the block runs."""
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


@get("/orders/{order_id:str}/events", opt={"needs": "images-read"})
async def watch(order_id: str, services: Services, caller: Caller, streams: Streams) -> Stream:
    """Server-sent events until the order ends. One that has ended gets its last event only."""
    order = await own_order(order_id, services, caller)
    streams.refuse_when_full()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(
        order_events(order, services, streams), media_type="text/event-stream", headers=headers
    )


async def order_events(order: Order, services: Services, streams: Streams) -> AsyncGenerator[bytes]:
    """What a watcher gets: ended orders their last event alone."""
    # The place is taken in here: a stream that nobody begins to read would never give it back.
    with streams.one():
        if order.state == "pending":
            yield _event("accepted", order_view(order, services.settings.public_api))
            async with contextlib.aclosing(_until_ended(order.id, services)) as told:
                async for said in told:
                    if isinstance(said, Order):
                        order = said
                    else:
                        yield said
        name = "failed" if order.state == "failed" else "done"
        yield _event(name, await standing(order, services))


async def _until_ended(order_id: str, services: Services) -> AsyncGenerator[bytes | Order]:
    """What there is to tell while the order is pending, and at last the ended order itself."""
    quiet = 0
    subjects = (outcome_subject(order_id), progress_subject(order_id))
    async with services.bus.listening(*subjects) as heard:
        while True:
            order = await look(order_id, services.database)
            if order is not None and order.state != "pending":
                yield order
                return
            while (said := await _working(heard)) is not None:
                quiet = 0
                yield _told(said)
            quiet += 1
            if quiet % _LOOKS_PER_PING == 0:
                yield b": ping\n\n"


async def _working(heard: asyncio.Queue[bytes]) -> Generating | Rendering | None:
    """What is told next; None when it is the end, or nothing for a while."""
    with contextlib.suppress(TimeoutError):
        said = _read(await asyncio.wait_for(heard.get(), _LOOK_SECONDS))
        return None if isinstance(said, OrderFinished) else said
    return None


def _told(said: Generating | Rendering) -> bytes:
    if isinstance(said, Generating):
        return _event("generating", {"seconds": said.seconds})
    return _event("rendering", {"done": said.done, "of": said.of})


def _event(name: str, value: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(value))


routes = Router("/", route_handlers=[watch])
