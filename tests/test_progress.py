"""An order's events: told as they happen, told in the end whatever was lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway import progress
from gateway.progress import Streams, order_events
from models.accounts import open_account, primary_bucket
from models.errors import Overloaded
from models.events import Failure, Rendering, progress_subject
from models.orders import accept_order, fail_order, find_order, finish_order
from models.records import Order
from models.settings import Settings
from pipeline.services import Services, open_services
from tests.samples import SEEN, draft, made
from tests.servers import Nats

FAILURE = Failure(status=400, code="damaged-image", message="The image is damaged.")


@pytest.fixture
async def services(sqlite_file: Path, nats: Nats) -> AsyncIterator[Services]:
    settings = Settings(
        data=sqlite_file.parent, nats_url=nats.url, nats_token=nats.token, nats_proof=nats.proof
    )
    async with open_services(settings, "s" * 32) as opened:
        yield opened


@pytest.fixture
async def order(services: Services) -> Order:
    """A pending order."""
    account = await services.database.run(open_account, "somebody", 100, 1_000_000)
    bucket = await services.database.read(primary_bucket, account.id)
    wanted = draft(account.id, bucket.id)
    await services.database.run(accept_order, wanted)
    found = await services.database.read(find_order, wanted.order_id)
    assert found is not None
    return found


def named(event: bytes) -> str:
    return event.decode().partition("\n")[0]


def say(services: Services, order: Order, done: int) -> None:
    said = Rendering(done=done, of=3)
    services.bus.whisper(progress_subject(order.id), msgspec.json.encode(said))


async def test_what_happens_is_told_in_order(services: Services, order: Order) -> None:
    events = order_events(order, services, Streams(1))
    assert named(await anext(events)) == "event: accepted"
    waiting = asyncio.ensure_future(anext(events))
    for _ in range(100):  # nobody knows when the stream listens
        say(services, order, 1)
        if (await asyncio.wait((waiting,), timeout=0.05))[0]:
            break
    assert (await waiting).decode() == 'event: rendering\ndata: {"done":1,"of":3}\n\n'
    await services.database.run(finish_order, order.id, SEEN, [made("a")])
    rest = [named(event) async for event in events]
    assert set(rest[:-1]) <= {"event: rendering"}
    assert rest[-1] == "event: done"


async def test_an_end_that_nobody_told_is_found(
    services: Services, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LOOK_SECONDS", 0.05)
    events = order_events(order, services, Streams(1))
    await anext(events)
    pinged = await anext(events)
    assert pinged == b": ping\n\n"
    # The outbox is not relayed here: the end is in the database alone.
    await services.database.run(fail_order, order.id, FAILURE)
    rest = [event async for event in events]
    assert named(rest[-1]) == "event: failed"
    assert b"damaged-image" in rest[-1]


async def test_a_stream_that_is_left_gives_its_place_back(services: Services, order: Order) -> None:
    streams = Streams(1)
    events = order_events(order, services, streams)
    streams.refuse_when_full()
    await anext(events)
    with pytest.raises(Overloaded):
        streams.refuse_when_full()
    await events.aclose()
    streams.refuse_when_full()
