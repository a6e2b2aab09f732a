"""Every message comes to an end: a hung job, an order that no worker survives, nonsense."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlmodel import Session

from models.accounts import open_account, primary_bucket
from models.orders import find_order
from models.records import Order
from models.settings import Settings
from pipeline.bus_queue import Letter, dead_letters, queued_subjects
from pipeline.fulfil import fulfil
from pipeline.masters import Task
from pipeline.role import pipeline_alone
from pipeline.services import Services, open_services
from tests.pictures import jpeg, png
from tests.servers import Nats
from tests.test_worker import Shop, beside, credits_of, ended, how_many, order, until_empty


@contextlib.asynccontextmanager
async def shop_of(settings: Settings) -> AsyncIterator[tuple[Shop, Services]]:
    """An account that orders, and no pipeline yet."""
    async with open_services(settings, "s" * 32) as services:
        account = await services.database.run(open_account, "somebody", 100, 10_000_000)
        bucket = await services.database.read(primary_bucket, account.id)
        folder = settings.data / "objects"
        own = services.stores.own
        async with beside(services.relay.run()):
            yield Shop(services.database, services.bus, own, folder, account, bucket), services


@pytest.fixture
def settings(sqlite_file: Path, nats: Nats) -> dict[str, object]:
    return {
        "data": sqlite_file.parent,
        "nats_url": nats.url,
        "nats_token": nats.token,
        "nats_proof": nats.proof,
        "children": 1,
        "attempts": 2,
    }


async def letters(shop: Shop, count: int) -> list[Letter]:
    async with asyncio.timeout(20):
        while True:
            found = [letter async for letter in dead_letters(shop.bus)]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


def set_begun(session: Session, order_id: str, times: int) -> None:
    session.get_one(Order, order_id).begun = times


async def test_a_job_past_its_deadline_is_tried_again_and_then_a_dead_letter(
    settings: dict[str, object],
) -> None:
    impatient = Settings(**settings, job_seconds=0.001)  # type: ignore[arg-type]
    async with shop_of(impatient) as (shop, services), pipeline_alone(services):
        failed = await ended(shop, await order(shop, jpeg(320, 200)))
        assert failed.failure is not None
        assert (failed.state, failed.attempts) == ("failed", 2)
        assert failed.failure.code == "render-timed-out"
        (letter,) = await letters(shop, 1)
        assert failed.id.encode() in letter.data
        assert await shop.database.read(credits_of, shop.account.id) == 100
        assert await how_many(shop, "staging") == 1
        assert await queued_subjects(shop.bus) == set()


async def test_an_order_that_no_worker_survives_comes_to_an_end_and_is_refunded(
    settings: dict[str, object],
) -> None:
    async with shop_of(Settings(**settings)) as (shop, services):  # type: ignore[arg-type]
        deadly, harmless = [await order(shop, png(80, 60)) for _ in range(2)]
        await shop.database.run(set_begun, deadly, 6)
        await shop.database.run(set_begun, harmless, 5)
        async with pipeline_alone(services):
            failed = await ended(shop, deadly)
            assert failed.failure is not None
            assert failed.failure.code == "workers-died"
            assert (await ended(shop, harmless)).state == "done"
            assert len(await letters(shop, 1)) == 1
            assert await shop.database.read(credits_of, shop.account.id) == 97


async def test_a_message_that_nobody_understands_is_a_dead_letter_once(
    settings: dict[str, object],
) -> None:
    async with shop_of(Settings(**settings)) as (shop, services):  # type: ignore[arg-type]
        for number in range(2):
            await shop.bus.publish("calotype.orders.junk", b"nonsense", f"junk-{number}")
        async with pipeline_alone(services):
            (letter,) = await letters(shop, 1)
            assert letter.data == b"nonsense"
            done = await ended(shop, await order(shop, png(80, 60)))
            assert done.state == "done"
            assert len(await letters(shop, 1)) == 1


async def test_what_a_killed_worker_left_in_staging_goes_with_the_next_delivery(
    settings: dict[str, object],
) -> None:
    usual = Settings(**settings)  # type: ignore[arg-type]
    async with shop_of(usual) as (shop, services), pipeline_alone(services):
        order_id = await order(shop, png(80, 60))
        done = await ended(shop, order_id)
        await until_empty(shop, "staging")
        await shop.storage.put(done.staging_key, b"left")
        again = b'{"type":"order-accepted","orderId":"%s"}' % order_id.encode()
        await shop.bus.publish(f"calotype.orders.{order_id}", again, "delivered-again")
        await until_empty(shop, "staging")
        assert await shop.database.read(find_order, order_id) is not None


async def test_an_order_that_several_died_over_has_the_next_worker_to_itself(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: set[str] = set()
    seen: list[set[str]] = []

    async def watched(task: Task, *rest: object) -> None:
        inside.add(task.order.id)
        seen.append(set(inside))
        try:
            await fulfil(task, *rest)  # type: ignore[arg-type]
        finally:
            inside.discard(task.order.id)

    monkeypatch.setattr("pipeline.worker.fulfil", watched)
    async with shop_of(Settings(**settings)) as (shop, services):  # type: ignore[arg-type]
        orders = [await order(shop, png(80, 60)) for _ in range(6)]
        await shop.database.run(set_begun, orders[3], 3)
        async with pipeline_alone(services):
            assert {(await ended(shop, one)).state for one in orders} == {"done"}
    assert [who for who in seen if orders[3] in who] == [{orders[3]}]
    assert max(len(who) for who in seen) > 1
