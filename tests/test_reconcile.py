"""The reconciler: whatever was left behind is found, put right once, and then nothing is found."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, delete, select, update

from models.accounts import open_account, primary_bucket
from models.attempts import fail_attempt
from models.burial import bury_image
from models.columns import now
from models.database import Database, open_sqlite
from models.errors import Unavailable
from models.events import DROPS, ORDERS, Failure, ObjectsDropped, dead_subject, drop_subject
from models.ledger import reserve
from models.made import Made
from models.orders import accept_order, finish_order
from models.outgoing import announce
from models.places import derived_folder, order_folder
from models.records import Account, Bucket, Image, Order, Outbox, Variant, new_id
from models.settings import Settings
from pipeline.bus import Bus, connect
from pipeline.bus_queue import queued_subjects
from pipeline.outbox import Relay
from pipeline.reconcile.findings import KINDS, REPORTED_ONLY, Findings, Report
from pipeline.reconcile.reconciler import Reconciler, taking_turn
from pipeline.reconcile.rounds import EVERY_MINUTE, NOW_AND_THEN, go_round
from pipeline.reconcile.scene import Rules, Scene, rules_of
from pipeline.storage import Storage, open_folder
from pipeline.tasks import running
from tests.samples import SEEN, draft, made
from tests.servers import Nats, nats_server, server_folder

# Everything is old at once: no test waits, and nobody else is at work.
NO_AGE = timedelta(seconds=-5)
OLD = Rules(announced=NO_AGE, received=NO_AGE, written=NO_AGE, dead=timedelta(days=7))
ALL = (*EVERY_MINUTE, *NOW_AND_THEN)
FAILURE = Failure(status=422, code="render-crashed", message="The image made its decoder fail.")
DIGEST = "cd" * 32


class Shop(NamedTuple):
    """A system at rest with one image, and a message for nothing."""

    scene: Scene
    account: Account
    bucket: Bucket
    image: str
    keys: list[str]

    async def found(self, *, dry: bool = False) -> dict[str, int]:
        return (await self.look(dry=dry)).counts

    async def look(self, *, dry: bool = False) -> Findings:
        findings = await go_round(ALL, self.scene._replace(dry=dry), Report())
        assert not findings.unseen
        return findings

    async def damage(self, hurt: Callable[..., Any], *args: Any) -> Any:
        return await self.scene.database.run(hurt, *args)

    async def ask(self, question: Callable[..., Any], *args: Any) -> Any:
        return await self.scene.database.read(question, *args)

    def folder(self, order_id: str = "") -> str:
        return order_folder(self.bucket.public_id, self.image, order_id or new_id())


@pytest.fixture
async def shop(database: Database, bus: Bus, account: Account, folder_storage: Storage) -> Shop:
    return await open_shop(Scene(database, folder_storage, bus, OLD), account)


@pytest.fixture
async def sqlite_shop(sqlite: Database, bus: Bus, folder_storage: Storage) -> Shop:
    """For what is the same on both databases, and slow."""
    account = await sqlite.run(open_account, "somebody", 100, 1_000_000)
    return await open_shop(Scene(sqlite, folder_storage, bus, OLD), account)


async def open_shop(scene: Scene, account: Account) -> Shop:
    bucket = await scene.database.read(primary_bucket, account.id)
    image, keys = await ready_image(scene, account, bucket)
    await settle_down(scene)
    return Shop(scene, account, bucket, image, keys)


async def settle_down(scene: Scene) -> None:
    """What was announced is said, heard and done."""
    await go_round(EVERY_MINUTE[:1], scene, Report())
    await scene.bus.ask("STREAM.PURGE.CALOTYPE_WORK")


async def ready_image(scene: Scene, account: Account, bucket: Bucket) -> tuple[str, list[str]]:
    wanted = draft(account.id, bucket.id)
    await scene.database.run(accept_order, wanted)
    image = await scene.database.read(image_of, wanted.order_id)
    prints = [placed(one, bucket, image, wanted.order_id) for one in made(new_id())]
    for one in prints:
        await scene.storage.put(one.storage_key, b"x")
    assert await scene.database.run(finish_order, wanted.order_id, SEEN, [prints])
    return image, [one.storage_key for one in prints]


def placed(one: Made, bucket: Bucket, image: str, order_id: str) -> Made:
    key = f"{order_folder(bucket.public_id, image, order_id)}/{one.object_key}"
    return msgspec.structs.replace(one, storage_key=key)


def image_of(session: Session, order_id: str) -> str:
    return session.exec(select(Image.id).where(Image.order_id == order_id)).one()


async def accept(shop: Shop) -> str:
    wanted = draft(shop.account.id, shop.bucket.id)
    await shop.scene.database.run(accept_order, wanted)
    await shop.scene.storage.put(wanted.staging_key, b"original")
    return wanted.order_id


async def names(storage: Storage, prefix: str) -> set[str]:
    return {stored.key async for stored in storage.list_under(prefix)}


def balance(session: Session, account_id: str) -> int:
    account = session.get_one(Account, account_id)
    return account.credits_free + account.credits_paid


async def test_where_all_is_well_nothing_is_found(shop: Shop) -> None:
    assert await shop.found() == {}


async def test_an_accepted_order_that_nobody_announced_is_announced(shop: Shop) -> None:
    order_id = await accept(shop)
    assert await shop.found(dry=True) == {"unsent": 1}
    assert await queued_subjects(shop.scene.bus) == set()
    assert await shop.found() == {"unsent": 1}
    assert await queued_subjects(shop.scene.bus) == {f"{ORDERS}.{order_id}"}
    assert await shop.found() == {}


async def test_a_stream_that_was_deleted_is_filled_again_from_the_database(
    shop: Shop, nats: Nats
) -> None:
    orders = [await accept(shop) for _ in range(3)]
    await shop.damage(bury_image, shop.account.id, shop.image)
    dropped = ObjectsDropped(bucket_id=shop.bucket.id, storage_keys=["variants/x"])
    await shop.damage(announce, drop_subject("some-order"), dropped)
    assert await shop.found() == {"unsent": 6}
    held = await queued_subjects(shop.scene.bus)
    assert len(held) == 5
    nats.lose_everything()
    await shop.damage(say_long_ago)
    assert await shop.found() == {"orders": 3, "tombstones": 1, "drops": 1}
    assert await shop.found() == {"unsent": 5}
    assert await queued_subjects(shop.scene.bus) == held
    assert await shop.found() == {}
    assert {f"{ORDERS}.{one}" for one in orders} < held


async def test_a_running_reconciler_notices_a_lost_stream_and_fills_it_within_a_minute(
    sqlite_shop: Shop, nats: Nats
) -> None:
    scene = sqlite_shop.scene
    relay, reconciler = Relay(scene.database, scene.bus), Reconciler(scene, 3600)
    async with running(relay.run), running(reconciler.run):
        waiting = {f"{ORDERS}.{await accept(sqlite_shop)}" for _ in range(3)}
        await until_queued(scene.bus, waiting)
        nats.lose_everything()
        await until_queued(scene.bus, waiting)


async def test_what_was_too_young_to_be_missed_at_a_start_is_missed_soon_after(
    sqlite_shop: Shop, nats: Nats
) -> None:
    scene = sqlite_shop.scene._replace(rules=rules_of(Settings()))
    async with running(Relay(scene.database, scene.bus).run):
        waiting = {f"{ORDERS}.{await accept(sqlite_shop)}" for _ in range(3)}
        await until_queued(scene.bus, waiting)
        nats.lose_everything()
        await until_prepared(scene.bus)
        async with running(Reconciler(scene, 3600).run):
            await until_queued(scene.bus, waiting, 40)


async def until_prepared(bus: Bus) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Unavailable):
                await bus.prepare()
                return
            await asyncio.sleep(0.1)


async def until_queued(bus: Bus, subjects: set[str], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(Unavailable):
                if await queued_subjects(bus) == subjects:
                    return
            await asyncio.sleep(0.1)


def say_long_ago(session: Session) -> None:
    said = col(Outbox.sent_at).is_not(None)
    session.exec(update(Outbox).where(said).values(sent_at=now() - timedelta(minutes=10)))


HOLDER = """
import sys, time
from sqlalchemy import create_engine
from models.turns import turn
with turn(create_engine(sys.argv[1]), "round") as ours:
    print(ours, flush=True)
    time.sleep(60)
"""

# Damage: what each kind of finding is made of. All leave the rest of the system as it is.


async def leave_unsent(shop: Shop) -> None:
    await shop.damage(announce, drop_subject(new_id()), nothing_dropped(shop))


def nothing_dropped(shop: Shop) -> ObjectsDropped:
    return ObjectsDropped(bucket_id=shop.bucket.id, storage_keys=["variants/x/x/x/x.webp"])


async def lose_an_order(shop: Shop) -> None:
    await accept(shop)
    await shop.damage(forget_announcements)


async def lose_a_deletion(shop: Shop) -> None:
    image, _ = await ready_image(shop.scene, shop.account, shop.bucket)
    await shop.damage(bury_image, shop.account.id, image)
    await shop.damage(forget_announcements)


def forget_announcements(session: Session) -> None:
    unsent = col(Outbox.sent_at).is_(None)
    session.exec(delete(Outbox).where(unsent, ~col(Outbox.subject).startswith(f"{DROPS}.")))


async def leave_a_deleted_bucket(shop: Shop) -> None:
    await shop.damage(add_deleted_bucket, shop.account.id)


def add_deleted_bucket(session: Session, account_id: str) -> None:
    key = new_id()
    session.add(
        Bucket(
            account_id=account_id,
            key=key,
            public_id=key.replace("-", ""),
            endpoint="https://s3.example.com",
            credentials="sealed",
            deleted_at=now(),
        )
    )


async def reserve_for_nothing(shop: Shop) -> None:
    await shop.damage(reserve, shop.account.id, new_id(), 1)


async def close_without_an_entry(shop: Shop) -> None:
    """An order failed, and the row of its refund is missing."""
    order_id = await accept(shop)
    await shop.damage(fail_unpaid, order_id)


def fail_unpaid(session: Session, order_id: str) -> None:
    forget_announcements(session)
    session.exec(delete(Image).where(col(Image.order_id) == order_id))
    session.get_one(Order, order_id).state = "failed"


async def park_without_a_letter(shop: Shop) -> None:
    order_id = await accept(shop)
    await shop.damage(fail_attempt, order_id, FAILURE, 1)
    await shop.damage(forget_announcements)


async def leave_a_letter(shop: Shop) -> None:
    await shop.scene.bus.publish(dead_subject(new_id()), b"{}", new_id())


async def leave_an_original(shop: Shop) -> None:
    await shop.scene.storage.put(f"staging/{new_id()}", b"x")


async def leave_an_object(shop: Shop) -> None:
    await shop.scene.storage.put(f"{shop.folder()}/some.webp", b"x")


async def leave_a_derivative(shop: Shop) -> None:
    gone = derived_folder(shop.bucket.public_id, shop.image, "ee" * 32)
    await shop.scene.storage.put(f"{gone}/{new_id()}", b"x")


async def put_a_stranger(shop: Shop) -> None:
    await shop.scene.storage.put(f"variants/unknown/{new_id()}/{new_id()}/a.webp", b"x")


async def lose_an_object(shop: Shop) -> None:
    _, keys = await ready_image(shop.scene, shop.account, shop.bucket)
    await settle_down(shop.scene)
    await shop.scene.storage.delete(keys[:1])


async def miscount_a_size(shop: Shop) -> None:
    image, _ = await ready_image(shop.scene, shop.account, shop.bucket)
    await settle_down(shop.scene)
    await shop.damage(add_to_size, image)


def add_to_size(session: Session, image_id: str) -> None:
    session.get_one(Image, image_id).size += 7


async def miscount_storage(shop: Shop) -> None:
    await shop.damage(add_to_account, shop.account.id, "storage_used")


async def change_credits(shop: Shop) -> None:
    await shop.damage(add_to_account, shop.account.id, "credits_free")


def add_to_account(session: Session, account_id: str, field: str) -> None:
    account = session.get_one(Account, account_id, with_for_update=True)
    setattr(account, field, getattr(account, field) + 5)


async def miscount_images(shop: Shop) -> None:
    await shop.damage(add_to_count, shop.bucket.id)


def add_to_count(session: Session, bucket_id: str) -> None:
    session.get_one(Bucket, bucket_id, with_for_update=True).image_count += 3


DAMAGE: dict[str, tuple[str, Callable[[Shop], Awaitable[None]]]] = {
    hurt.__name__: (kind, hurt)
    for kind, hurt in (
        ("unsent", leave_unsent),
        ("orders", lose_an_order),
        ("tombstones", lose_a_deletion),
        ("buckets", leave_a_deleted_bucket),
        ("reservations", reserve_for_nothing),
        ("reservations", close_without_an_entry),
        ("letters", park_without_a_letter),
        ("letters", leave_a_letter),
        ("staging", leave_an_original),
        ("orphans", leave_an_object),
        ("orphans", leave_a_derivative),
        ("strangers", put_a_stranger),
        ("missing", lose_an_object),
        ("sizes", miscount_a_size),
        ("storage", miscount_storage),
        ("counts", miscount_images),
        ("balances", change_credits),
    )
}


async def test_damage_is_seen_by_a_look_put_right_by_a_round_and_then_gone(shop: Shop) -> None:
    known: dict[str, int] = {}
    for name, (kind, hurt) in DAMAGE.items():
        await hurt(shop)
        looked = await shop.found(dry=True)
        assert looked[kind] > known.get(kind, 0), name
        assert await shop.found(dry=True) == looked, name
        assert (await shop.found())[kind] == looked[kind], name
        await shop.found()  # what the round announced is sent
        known |= {kind: looked[kind]} if kind in REPORTED_ONLY else {}
        assert await shop.found() == known, name


async def test_litter_of_broken_writes_is_deleted(shop: Shop, folder: Path) -> None:
    for place in ("staging/abc", shop.folder()):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{place}#7").write_bytes(b"half")
    assert await shop.found() == {"litter": 2}
    assert await shop.found() == {}


def test_every_kind_of_finding_is_caused_by_a_test() -> None:
    assert {kind for kind, _ in DAMAGE.values()} | {"litter", "drops"} == set(KINDS)


async def test_what_an_order_may_still_write_or_need_is_left_alone(shop: Shop) -> None:
    order_id = await accept(shop)
    written = f"{shop.folder(order_id)}/half-done.webp"
    await shop.scene.storage.put(written, b"x")
    derived = derived_folder(shop.bucket.public_id, shop.image, DIGEST)
    await shop.scene.storage.put(f"{derived}/print", b"x")
    assert set(await shop.found()) == {"unsent"}
    kept = await names(shop.scene.storage, "variants") | await names(shop.scene.storage, "staging")
    assert kept == {*shop.keys, written, f"{derived}/print", f"staging/{order_id}"}


async def test_what_is_young_is_left_alone(shop: Shop) -> None:
    for name in ("leave_an_original", "leave_an_object", "reserve_for_nothing", "leave_unsent"):
        await DAMAGE[name][1](shop)
    scene = shop.scene._replace(rules=rules_of(Settings()))
    assert await go_round(ALL, scene, Report()) == Findings()


async def test_credits_that_were_reserved_for_what_is_over_come_back_once(shop: Shop) -> None:
    before = await shop.ask(balance, shop.account.id)
    for name in ("reserve_for_nothing", "close_without_an_entry"):
        await DAMAGE[name][1](shop)
    assert await shop.ask(balance, shop.account.id) == before - 3
    await asyncio.gather(*(shop.found() for _ in range(4)))
    assert await shop.ask(balance, shop.account.id) == before
    assert await shop.found() == {}


async def test_money_is_never_changed_without_an_entry(shop: Shop) -> None:
    await change_credits(shop)
    before = await shop.ask(balance, shop.account.id)
    assert await shop.found() == {"balances": 1}
    assert await shop.ask(balance, shop.account.id) == before


async def test_a_row_without_its_object_is_reported_and_stays(shop: Shop) -> None:
    await shop.scene.storage.delete(shop.keys)
    assert await shop.found() == {"missing": 3}
    found = await shop.look()
    assert {one.what for one in found.named} == set(shop.keys)
    assert await shop.ask(count_variants) == 3


def count_variants(session: Session) -> int:
    return len(session.exec(select(Variant.id)).all())


async def test_a_place_that_is_gone_is_not_taken_for_a_million_lost_objects(
    shop: Shop, folder: Path
) -> None:
    shutil.rmtree(folder)
    findings = await go_round(ALL, shop.scene, Report())
    assert "missing" not in findings.counts
    assert "report missing" in findings.unseen


async def test_while_the_bus_is_away_the_rest_is_put_right(sqlite_shop: Shop, nats: Nats) -> None:
    await leave_an_original(sqlite_shop)
    nats.kill()
    findings = await go_round(ALL, sqlite_shop.scene, Report())
    assert findings.counts == {"staging": 1}
    assert set(findings.unseen) >= {"announce waiting", "agree on letters"}


async def test_several_that_run_at_once_do_nothing_twice(shop: Shop) -> None:
    await lose_an_order(shop)
    await reserve_for_nothing(shop)
    await miscount_storage(shop)
    reconcilers = [Reconciler(shop.scene, 60) for _ in range(6)]
    rounds = await asyncio.gather(*(one.take("round", ALL) for one in reconcilers))
    total = sum((Counter(one.counts) for one in rounds), Counter())
    assert {kind: total[kind] for kind in ("orders", "reservations", "storage")} == {
        "orders": 1,
        "reservations": 1,
        "storage": 1,
    }


async def test_a_turn_is_one_process_s_until_it_ends(shop: Shop) -> None:
    database = shop.scene.database
    async with (
        taking_turn(database, "round") as first,
        taking_turn(database, "round") as second,
        taking_turn(database, "sweep") as other,
    ):
        assert (first, second, other) == (True, False, True)
    async with taking_turn(shop.scene.database, "round") as again:
        assert again


async def test_the_turn_of_a_killed_process_is_somebody_else_s(
    shop: Shop,
) -> None:
    database = shop.scene.database
    url = database.engine.url.render_as_string(hide_password=False)
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"True\n"
    async with taking_turn(database, "round") as ours:
        assert not ours
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(20):
        while not ours:
            async with taking_turn(database, "round") as ours:
                await asyncio.sleep(0.05)


async def test_more_than_a_page_of_everything_is_put_right(sqlite_shop: Shop) -> None:
    for _ in range(3):
        await lose_an_order(sqlite_shop)
    objects = [f"{sqlite_shop.folder()}/{number}.webp" for number in range(1100)]
    await asyncio.gather(*(sqlite_shop.scene.storage.put(key, b"x") for key in objects))
    found = await sqlite_shop.look()
    assert found.counts == {"orders": 3, "orphans": 1100}
    assert len(found.named) < 100
    assert await names(sqlite_shop.scene.storage, "variants") == set(sqlite_shop.keys)


@settings(max_examples=int(os.environ.get("RECONCILE_EXAMPLES", "8")))
@given(st.lists(st.sampled_from(sorted(DAMAGE)), max_size=12))
def test_whatever_the_damage_one_run_puts_right_all_that_can_be(
    empty_sqlite: bytes, nats_of_all: Nats, damage: list[str]
) -> None:
    with server_folder() as memory:
        (memory / "calotype.sqlite").write_bytes(empty_sqlite)
        asyncio.run(survives(memory, nats_of_all, damage))


async def survives(memory: Path, nats: Nats, damage: list[str]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        bus = await stack.enter_async_context(
            contextlib.aclosing(await connect(nats.url, nats.token))
        )
        await bus.prepare()
        for stream in ("WORK", "DEAD"):
            await bus.ask(f"STREAM.PURGE.CALOTYPE_{stream}")
        database = stack.enter_context(
            contextlib.closing(open_sqlite(memory / "calotype.sqlite", 2))
        )
        account = await database.run(open_account, "somebody", 100, 1_000_000)
        shop = await open_shop(Scene(database, open_folder(memory / "objects"), bus, OLD), account)
        for name in damage:
            await DAMAGE[name][1](shop)
        found = await shop.found()
        await go_round(EVERY_MINUTE[:1], shop.scene, Report())  # what it announced is sent
        left = await shop.found()
        assert set(left) <= REPORTED_ONLY, (found, left)
        assert await shop.found() == left
        assert set(found) >= {DAMAGE[name][0] for name in damage} - {"balances", "unsent"}


@pytest.fixture(scope="module")
def nats_of_all() -> Iterator[Nats]:
    with nats_server() as server:
        yield server
