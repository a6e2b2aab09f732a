"""A generation within its order: one asks at a time, an answer is kept once and used again."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlmodel import Session

from models.accounts import open_account, primary_bucket
from models.attempts import park
from models.columns import now
from models.database import Database
from models.errors import ModelBusy, NoModel, Overloaded, PromptBlocked, Unavailable
from models.events import Change, Failure, Original
from models.generation import GENERATION_COST, Generated, Generation
from models.generations import hold, hold_on, keep_generated, let_go
from models.letters import retry_letter
from models.orders import Draft, accept_order, fail_order, find_order
from models.orphans import sort_originals
from models.recipe import Recipe
from models.records import Account, Order, new_id
from models.settings import Settings
from pipeline.generate import left_in_staging
from pipeline.role import open_generator, open_studio
from pipeline.services import Services, open_services
from pipeline.studio import Studio
from tests.gemini import KEY, Gemini, blocked_prompt, gemini_server, google_error, painted
from tests.pictures import png
from tests.servers import Nats

PICTURE = png(64, 48)


def draft_of(account: Account, bucket_id: str) -> Draft:
    order_id = new_id()
    return Draft(
        order_id=order_id,
        account_id=account.id,
        bucket_id=bucket_id,
        staging_key=f"staging/{order_id}",
        original=Original(name="A lighthouse", size=0, sha256=""),
        asked=[[Recipe()]],
        cost=GENERATION_COST + 1,
        change=Change(),
        kind="generate",
        generation=Generation(prompt="A lighthouse"),
    )


def generated_of(order_id: str, name: str = "12345678") -> Generated:
    return Generated(
        staging_key=f"staging/{order_id}.{name}",
        size=7,
        sha256=name,
        content_type="image/png",
        response_id=name,
    )


@pytest.fixture
async def order_id(database: Database, account: Account, bucket_id: str) -> str:
    draft = draft_of(account, bucket_id)
    await database.run(accept_order, draft)
    return draft.order_id


async def found(database: Database, order_id: str) -> Order:
    order = await database.read(find_order, order_id)
    assert order is not None
    return order


async def test_one_holds_an_order_at_a_time(database: Database, order_id: str) -> None:
    tries = [database.run(hold, order_id, 60) for _ in range(8)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 7 + [True]
    assert await database.run(let_go, order_id)
    assert await database.run(hold, order_id, 60)


async def test_a_hold_ends_by_itself_unless_it_is_held_on(
    database: Database, order_id: str
) -> None:
    assert await database.run(hold, order_id, -1)
    assert await database.run(hold, order_id, -1)
    assert await database.run(hold_on, order_id, 60)
    assert not await database.run(hold, order_id, 60)
    held = (await found(database, order_id)).held_until
    assert held is not None
    assert timedelta(seconds=50) < held - now() <= timedelta(seconds=60)


async def test_the_first_answer_is_kept_and_no_second_one(
    database: Database, order_id: str
) -> None:
    answers = [generated_of(order_id, f"{n:08}") for n in range(6)]
    kept = await asyncio.gather(
        *(database.run(keep_generated, order_id, answer) for answer in answers)
    )
    assert sum(kept) == 1
    order = await found(database, order_id)
    first = answers[kept.index(True)]
    assert order.generated == first
    assert order.staging_key == first.staging_key
    assert (order.original.name, order.original.size) == ("A lighthouse", 7)
    assert order.original.sha256 == first.sha256
    assert order.held_until is None


async def test_what_has_ended_is_neither_held_nor_changed(
    database: Database, order_id: str
) -> None:
    failure = Failure(status=422, code="prompt-blocked", message="No.")
    assert await database.run(fail_order, order_id, failure)
    assert not await database.run(hold, order_id, 60)
    assert not await database.run(keep_generated, order_id, generated_of(order_id))
    assert (await found(database, order_id)).generated is None


async def test_a_dead_letter_that_is_retried_keeps_what_was_generated(
    database: Database, order_id: str
) -> None:
    answer = generated_of(order_id)
    await database.run(keep_generated, order_id, answer)
    failure = Failure(status=422, code="render-crashed", message="Boom.")

    def die(session: Session) -> None:
        assert fail_order(session, order_id, failure)
        park(session, order_id, failure)

    await database.run(die)
    again = await found(database, await database.run(retry_letter, order_id))
    assert again.id != order_id
    assert (again.generated, again.staging_key) == (answer, answer.staging_key)
    assert again.generation == Generation(prompt="A lighthouse")


async def test_what_lies_beside_an_orders_place_is_not_swept(
    database: Database, order_id: str
) -> None:
    place = f"staging/{order_id}"
    beside = [place, f"{place}.answer", f"{place}.12345678"]
    stray = f"staging/{new_id()}.12345678"
    assert (await database.read(sort_originals, [*beside, stray])).unowned == [stray]
    await database.run(keep_generated, order_id, generated_of(order_id))
    unowned = (await database.read(sort_originals, [*beside, stray])).unowned
    assert unowned == [place, f"{place}.answer", stray]


# The generator, with a model that answers over HTTP.


@pytest.fixture
def model() -> Iterator[Gemini]:
    with gemini_server(PICTURE) as server:
        yield server


@contextlib.asynccontextmanager
async def generators(
    folder: Path, nats: Nats, **more: object
) -> AsyncIterator[tuple[Services, Studio]]:
    named = {"data": folder, "nats_url": nats.url, "nats_token": nats.token, "children": 1}
    named["nats_proof"] = nats.proof
    settings = Settings(**(named | more))  # type: ignore[arg-type]
    async with open_services(settings, "s" * 32) as services, open_studio(settings) as studio:
        yield services, studio


def settings_of(model: Gemini) -> dict[str, object]:
    """Where the model is, and the key to it."""
    return {"gemini_key": KEY, "gemini_url": model.url}


async def ordered(services: Services) -> Order:
    database = services.database
    account = await database.run(open_account, new_id(), 100, 1_000_000)
    bucket = await database.read(primary_bucket, account.id)
    draft = draft_of(account, bucket.id)
    await database.run(accept_order, draft)
    return await found(database, draft.order_id)


async def staged(services: Services) -> list[str]:
    return sorted([one.key async for one in services.stores.own.list_under("staging")])


def unheard(_: int) -> None:
    """Nobody listens."""


async def test_two_messages_of_one_order_ask_once(
    sqlite_file: Path, nats: Nats, model: Gemini
) -> None:
    async with generators(sqlite_file.parent, nats, **settings_of(model)) as (services, studio):
        order = await ordered(services)
        model.will(painted(PICTURE, seconds=1))
        beats: list[int] = []
        both = [open_generator(services, studio).generate(order, beats.append) for _ in range(2)]
        ends = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(end) for end in ends if end) == [Unavailable]
        assert len(model.asked) == 1
        assert beats[0] == 0
        kept = await found(services.database, order.id)
        assert kept.generated is not None
        assert kept.generated.sha256 == hashlib.sha256(PICTURE).hexdigest()
        assert await services.stores.own.get(kept.staging_key) == PICTURE
        await open_generator(services, studio).generate(kept, unheard)
        assert len(model.asked) == 1
        assert await staged(services) == sorted(left_in_staging(kept)[1:])


async def test_a_note_that_was_left_is_taken_and_nobody_is_asked(
    sqlite_file: Path, nats: Nats, model: Gemini
) -> None:
    async with generators(sqlite_file.parent, nats, **settings_of(model)) as (services, studio):
        order = await ordered(services)
        note = generated_of(order.id)
        await services.stores.own.put(note.staging_key, PICTURE)
        await services.stores.own.put(f"staging/{order.id}.answer", msgspec.json.encode(note))
        await open_generator(services, studio).generate(order, unheard)
        assert (await found(services.database, order.id)).generated == note
        assert model.asked == []


async def test_who_was_told_of_an_order_twice_does_not_take_its_original_away(
    sqlite_file: Path, nats: Nats, model: Gemini
) -> None:
    async with generators(sqlite_file.parent, nats, **settings_of(model)) as (services, studio):
        order = await ordered(services)
        for _ in range(2):  # the second time knowing no more of it than the first time
            await open_generator(services, studio).generate(order, unheard)
        kept = await found(services.database, order.id)
        assert await services.stores.own.get(kept.staging_key) == PICTURE
        assert len(model.asked) == 1


async def test_after_a_failure_the_next_may_ask_at_once(
    sqlite_file: Path, nats: Nats, model: Gemini
) -> None:
    async with generators(sqlite_file.parent, nats, **settings_of(model)) as (services, studio):
        order = await ordered(services)
        model.will(blocked_prompt("SAFETY"), google_error(429, "RESOURCE_EXHAUSTED", "Quota"))
        for kind in (PromptBlocked, ModelBusy):
            with pytest.raises(kind):
                await open_generator(services, studio).generate(order, unheard)
        assert await staged(services) == []
        await open_generator(services, studio).generate(order, unheard)
        assert len(model.asked) == 3


async def test_only_so_many_are_asked_for_at_the_same_time(
    sqlite_file: Path, nats: Nats, model: Gemini
) -> None:
    there = settings_of(model) | {"gemini_calls": 1}
    async with generators(sqlite_file.parent, nats, **there) as (services, studio):
        orders = [await ordered(services) for _ in range(2)]
        model.will(painted(PICTURE, seconds=1))
        generator = open_generator(services, studio)
        tries = (generator.generate(order, unheard) for order in orders)
        ends = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(end) for end in ends if end] == [Overloaded]
        assert len(model.asked) == 1
        for order in orders:
            await generator.generate(await found(services.database, order.id), unheard)
        assert len(model.asked) == 2


async def test_a_pipeline_without_the_key_says_so(sqlite_file: Path, nats: Nats) -> None:
    async with generators(sqlite_file.parent, nats) as (services, studio):
        order = await ordered(services)
        with pytest.raises(NoModel):
            await open_generator(services, studio).generate(order, unheard)
