"""The darkroom with a real studio, storage and bus: what is made, from what, and how often."""

import asyncio
import contextlib
import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from cdn_edge.darkroom import Darkroom, Order, derivative_key
from cdn_edge.entry import Entry
from cdn_edge.fleet import Fleet, Work
from cdn_edge.sources import Stored
from models.errors import NotAnImage, NotFound, Overloaded, TooManyRequests, Unavailable
from models.recipe import Jpeg, Recipe, Resize
from pipeline.bus import Bus
from pipeline.bus_leases import Lease, Leases
from pipeline.storage import MissingObject, Storage
from pipeline.studio import Studio
from tests.pictures import jpeg, png

BIG = jpeg(600, 400)
"""The mezzanine; the variant is another picture, so that one can tell what was used."""
SMALL = png(600, 400, mode="L")
RECIPE = Recipe(resize=Resize(width=100, without_enlargement=True), output=Jpeg())


class Shop:
    """Two darkrooms of two edges, over one storage and one bus."""

    def __init__(self, storage: Storage, folder: Path, studio: Studio) -> None:
        self.storage, self.folder, self.studio = storage, folder, studio
        self.stock = [self.stored("mezzanine", "m.jpg", BIG)]
        self.variant = Entry(
            path="variants/b/i/o/v.png",
            content_type="image/png",
            etag=hashlib.sha256(SMALL).hexdigest(),
            size=len(SMALL),
            last_modified=1,
            bucket="b",
            image="i",
            format="png",
            width=600,
            height=400,
        )
        self.hired = 0
        self.there = True
        self.admitted = 0
        self.refusal: Exception | None = None
        self.rooms: list[Darkroom] = []
        self.fleets: list[Fleet] = []

    def stored(self, kind: str, name: str, data: bytes) -> Stored:
        return Stored(
            kind=kind,  # type: ignore[arg-type]  # one of its words
            key=f"variants/b/i/o/{name}",
            format="jpeg",
            width=600,
            height=400,
            sha256=hashlib.sha256(data).hexdigest(),
        )

    async def fill(self) -> None:
        await self.storage.put("variants/b/i/o/m.jpg", BIG)
        await self.storage.put("variants/b/i/o/v.png", SMALL)

    def open(self, bus: Bus, most: int = 100) -> None:
        fleet = Fleet(bus, Leases(bus))
        self.fleets.append(fleet)
        self.rooms.append(
            Darkroom(self.storage, self.find, self.opened, self.hire, fleet, most=most)
        )

    async def find(self, _: Entry) -> list[Stored]:
        return self.stock

    @contextlib.asynccontextmanager
    async def opened(self, stored: Stored, scratch: Path) -> AsyncIterator[Path]:
        try:
            async with self.storage.file(stored.key, scratch) as path:
                yield path
        except MissingObject as error:
            raise NotFound from error

    async def hire(self) -> Studio:
        self.hired += 1
        return self.studio

    async def admit(self) -> None:
        self.admitted += 1
        if self.refusal:
            raise self.refusal

    async def still(self) -> bool:
        return self.there

    def order(self, recipe: Recipe = RECIPE) -> Order:
        key = derivative_key(self.variant, recipe)
        return Order(self.variant, recipe, self.admit, self.still, key)

    def file(self, name: str) -> Path:
        return self.folder / "variants/b/i/o" / name

    async def derived(self) -> list[str]:
        return [one.key async for one in self.storage.list_under("variants/b/i/derived")]


@pytest.fixture
async def shop(folder_storage: Storage, folder: Path, bus: Bus) -> AsyncIterator[Shop]:
    async with Studio(children=1) as studio:
        made = Shop(folder_storage, folder, studio)
        await made.fill()
        made.open(bus)
        made.open(bus)
        listening = [asyncio.create_task(fleet.run()) for fleet in made.fleets]
        await asyncio.sleep(0.1)
        yield made
        for fleet in made.fleets:
            await fleet.settle()
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


def is_coloured(body: bytes) -> bool:
    """Made from the mezzanine: the variant is grey."""
    red, _, blue = Image.open(io.BytesIO(body)).convert("RGB").split()
    return red.tobytes() != blue.tobytes()


async def test_a_derivative_is_made_from_the_mezzanine_and_found_by_the_next_edge(
    shop: Shop,
) -> None:
    first = await shop.rooms[0].derivative(shop.order())
    await shop.fleets[0].settle()
    assert is_coloured(first.body)
    assert (first.entry.width, first.entry.height) == (100, 67)
    second = await shop.rooms[1].derivative(shop.order())
    assert (second.entry, second.body) == (first.entry, first.body)
    assert "stored" in second.how
    assert shop.hired == 1


async def test_many_at_two_edges_cost_one_render(shop: Shop) -> None:
    crowd = (shop.rooms[n % 2].derivative(shop.order()) for n in range(40))
    made = await asyncio.gather(*crowd)
    assert len({one.body for one in made}) == 1
    assert sum("rendered" in one.how for one in made) == shop.hired == 1


@pytest.mark.parametrize("damage", ["missing", "torn", "changed"])
async def test_a_damaged_mezzanine_is_passed_over(shop: Shop, damage: str) -> None:
    harm(shop.file("m.jpg"), damage)
    assert not is_coloured((await shop.rooms[0].derivative(shop.order())).body)


@pytest.mark.parametrize("damage", ["missing", "torn", "changed"])
async def test_damage_is_noticed_also_where_it_was_whole_a_moment_ago(
    shop: Shop, damage: str
) -> None:
    assert is_coloured((await shop.rooms[0].derivative(shop.order())).body)
    harm(shop.file("m.jpg"), damage)
    other = Recipe(resize=Resize(width=110, without_enlargement=True), output=Jpeg())
    assert not is_coloured((await shop.rooms[0].derivative(shop.order(other))).body)


async def test_nothing_is_made_of_what_is_damaged_altogether(shop: Shop) -> None:
    harm(shop.file("m.jpg"), "torn")
    harm(shop.file("v.png"), "changed")
    with pytest.raises(Unavailable):
        await shop.rooms[0].derivative(shop.order())
    await shop.fill()
    assert is_coloured((await shop.rooms[0].derivative(shop.order())).body)


@pytest.mark.parametrize("damage", ["missing", "torn", "changed"])
async def test_a_damaged_derivative_is_made_anew(shop: Shop, damage: str) -> None:
    first = await shop.rooms[0].derivative(shop.order())
    await shop.fleets[0].settle()
    harm(shop.folder / shop.order().key, damage)
    again = await shop.rooms[1].derivative(shop.order())
    await shop.fleets[1].settle()
    assert (again.body, shop.hired) == (first.body, 2)
    assert "stored" in (await shop.rooms[0].derivative(shop.order())).how


def harm(file: Path, how: str) -> None:
    data = file.read_bytes()
    match how:
        case "missing":
            file.unlink()
        case "torn":
            file.write_bytes(data[: len(data) // 2])
        case "changed":
            middle = len(data) // 2
            file.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])


async def test_a_derivative_of_what_was_deleted_meanwhile_leaves_nothing(shop: Shop) -> None:
    shop.there = False
    await shop.rooms[0].derivative(shop.order())
    await shop.fleets[0].settle()
    assert await shop.derived() == []


async def test_what_is_made_is_everybodys_before_it_is_confirmed(shop: Shop) -> None:
    made = asyncio.Event()

    async def slow() -> bool:
        await made.wait()
        return True

    order = shop.order()._replace(still=slow)
    await shop.rooms[0].derivative(order)
    async with asyncio.timeout(5):
        other = await shop.rooms[1].derivative(order)
    assert "rendered" not in other.how
    assert shop.hired == 1
    made.set()


async def test_a_leader_that_died_is_replaced_when_its_lease_ends(shop: Shop, bus: Bus) -> None:
    assert isinstance(await Leases(bus).take(shop.order().key), Lease)
    async with asyncio.timeout(30):
        made = await shop.rooms[0].derivative(shop.order())
    assert "rendered" in made.how


async def test_a_lease_is_held_while_its_holder_lives_and_free_when_it_lets_go(bus: Bus) -> None:
    leases, others = Leases(bus), Leases(bus)
    lease = await leases.take("a/b")
    assert lease is not None
    async with lease.held():
        for _ in range(3):
            assert await others.take("a/b") is None
            await asyncio.sleep(2)
    again = await others.take("a/b")
    assert lease.fresh
    assert again is not None
    assert not again.fresh


async def test_who_has_the_lease_after_somebody_looks_for_what_that_one_made(bus: Bus) -> None:
    """The first look was in vain, and then another one made it and let go."""
    leases, calls = Leases(bus), list[str]()

    async def look() -> str:
        calls.append("look")
        return "made by another"

    async def make() -> str:
        calls.append("make")
        return "made again"

    async def nothing(*_: object) -> None:
        pass

    work = Work(look, make, nothing, nothing)
    fleet = Fleet(bus, leases)
    lease = await leases.take("c/d")
    assert lease is not None
    async with lease.held():
        pass
    assert await fleet.once("c/d", work) == "made by another"
    assert await fleet.once("new", work) == "made again"
    assert calls == ["look", "make"]
    await fleet.settle()


async def test_a_failure_is_tried_four_times_and_then_remembered(shop: Shop) -> None:
    rubbish = b"this is no picture"
    shop.file("m.jpg").write_bytes(rubbish)
    shop.stock = [shop.stored("mezzanine", "m.jpg", rubbish)]
    for _ in range(6):
        with pytest.raises(NotAnImage):
            await shop.rooms[0].derivative(shop.order())
    assert shop.hired == 4
    with pytest.raises(NotAnImage) as remembered:
        await shop.rooms[0].derivative(shop.order())
    assert remembered.value.retry_after


async def test_a_failure_is_told_to_who_waits_and_to_nobody_after(shop: Shop, bus: Bus) -> None:
    rubbish = b"this is no picture"
    shop.file("m.jpg").write_bytes(rubbish)
    shop.stock = [shop.stored("mezzanine", "m.jpg", rubbish)]
    crowd = (shop.rooms[n % 2].derivative(shop.order()) for n in range(10))
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(end) for end in ended} == {NotAnImage}
    await shop.fill()
    shop.stock = [shop.stored("mezzanine", "m.jpg", BIG)]
    other = Recipe(resize=Resize(width=90, without_enlargement=True), output=Jpeg())
    shop.open(bus)  # whoever led may still know of the rubbish, and pass it over
    assert is_coloured((await shop.rooms[2].derivative(shop.order(other))).body)


async def test_an_account_over_its_limit_is_refused_and_nothing_is_made(shop: Shop) -> None:
    shop.refusal = TooManyRequests(retry_after=3)
    with pytest.raises(TooManyRequests):
        await shop.rooms[0].derivative(shop.order())
    assert shop.hired == 0
    shop.refusal = None
    await shop.rooms[0].derivative(shop.order())


async def test_beyond_what_it_has_in_hand_an_edge_says_come_back(shop: Shop, bus: Bus) -> None:
    shop.open(bus, most=2)
    room = shop.rooms[2]
    recipes = [
        Recipe(resize=Resize(width=width, without_enlargement=True), output=Jpeg())
        for width in range(40, 60)
    ]
    tries = (room.derivative(shop.order(recipe)) for recipe in recipes)
    ended = await asyncio.gather(*tries, return_exceptions=True)
    refused = [end for end in ended if isinstance(end, Overloaded)]
    assert 1 <= len(refused) <= 18
    assert all(end.retry_after == 1 for end in refused)
    assert not [e for e in ended if isinstance(e, Exception) and not isinstance(e, Overloaded)]
    await shop.fleets[2].settle()
    made = next(n for n, end in enumerate(ended) if not isinstance(end, Overloaded))
    assert "stored" in (await room.derivative(shop.order(recipes[made]))).how


async def test_a_room_that_is_full_says_so_when_its_looks_find_nothing(
    shop: Shop, bus: Bus
) -> None:
    shop.open(bus, most=2)
    room, said = shop.rooms[2], list[bool]()

    async def ask(width: int) -> None:
        recipe = Recipe(resize=Resize(width=width), output=Jpeg())
        try:
            await room.derivative(shop.order(recipe))
        except Overloaded:
            said.append(room.full)

    await asyncio.gather(*map(ask, range(10, 110)))
    assert not all(said), "some looks are free"
    assert said[-1]
    assert not room.full


async def test_what_a_source_is_is_asked_of_a_child_once(shop: Shop) -> None:
    for width in (90, 80, 70):
        recipe = Recipe(resize=Resize(width=width), output=Jpeg())
        made = await shop.rooms[0].derivative(shop.order(recipe))
        assert made.entry.width == width
    (child,) = shop.studio.children
    assert child.jobs == 1 + 3
